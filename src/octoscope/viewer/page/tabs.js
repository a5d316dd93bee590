// What stands beside the cameras: the matrix of heads, and what was found by changing something.

import { element } from "octoscope/cameras.js";

export class Tabs {
  constructor(list, panel, app) { this.list = list; this.panel = panel; this.app = app; this.shown = ""; this.tabs = [["heads", "Heads"]]; }

  build(run) {
    this.run = run;
    this.list.replaceChildren(...this.tabs.map(([key, text]) => {
      const tab = element("button", "", text);
      tab.type = "button";
      tab.id = "tab-" + key;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", "panel");
      tab.addEventListener("click", () => this.app.store.set({ tab: key }));
      return tab;
    }));
    this.shown = "";
  }

  draw(state) {
    const key = this.tabs.some(([tab]) => tab === state.tab) ? state.tab : "heads";
    for (const tab of this.list.children) tab.setAttribute("aria-selected", tab.id === "tab-" + key);
    if (this.shown === key) return;
    this.shown = key;
    this.panel.setAttribute("aria-labelledby", "tab-" + key);
    this.panel.replaceChildren(this.app.matrixBox);
    this.app.matrix.place();
  }
}

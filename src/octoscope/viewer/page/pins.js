// Pins: views to come back to, kept in the address with everything else, so that a link takes them along.

import { element } from "octoscope/cameras.js";
import { parsed, written } from "octoscope/state.js";

const MOST = 9;
// What a pin does not keep: pins themselves, and how the page looks.
const WITHOUT = ["pins", "theme", "rate"];

export class Pins {
  constructor(box, app) { this.box = box; this.app = app; }

  list() { return this.app.state.pins ? this.app.state.pins.split("|").slice(0, MOST) : []; }

  add() {
    const pin = written(this.app.state, WITHOUT), pins = this.list();
    if (pins.includes(pin)) { this.app.tell("This view is pinned already."); return; }
    if (pins.length === MOST) { this.app.tell(`There are ${MOST} pins already: remove one with a right click.`); return; }
    this.app.store.set({ pins: [...pins, pin].join("|") });
    this.app.tell(`Pinned: key ${pins.length + 1} opens it again.`);
  }

  open(at) {
    const pin = this.list()[at];
    if (!pin) return;
    const { pins, theme, rate } = this.app.state;
    this.app.store.set({ ...parsed(pin), pins, theme, rate });
  }

  remove(at) { this.app.store.set({ pins: this.list().filter((_, other) => other !== at).join("|") }); }

  draw(state) {
    if (this.box.dataset.pins === state.pins) return;
    this.box.dataset.pins = state.pins;
    this.box.replaceChildren(...this.list().map((pin, at) => {
      const button = element("button", "", String(at + 1)), view = parsed(pin);
      button.type = "button";
      button.title = `${view.run}, step ${view.step}, layer ${view.layer}, head ${view.head}. Right click or Delete removes it.`;
      button.setAttribute("aria-label", `Pin ${at + 1}: ${button.title}`);
      button.addEventListener("click", () => this.open(at));
      button.addEventListener("contextmenu", (event) => { event.preventDefault(); this.remove(at); });
      button.addEventListener("keydown", (event) => { if (event.key === "Delete") this.remove(at); });
      return button;
    }));
  }
}

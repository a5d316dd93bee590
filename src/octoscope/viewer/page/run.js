// One run as its card tells of it: tokens, stacks, the panels of its cameras.

import { json } from "octoscope/source.js";

export async function openRun(source, name) {
  return new Run(name, await json(source, `runs/${name}/card.json`));
}

export class Run {
  constructor(name, card) {
    this.name = name;
    this.card = card;
    this.steps = card.steps;
    this.size = card.tokens.length;
    this.spanOf = new Int32Array(this.size);
    card.spans.forEach((span, at) => this.spanOf.fill(at, span.start, span.start + span.size));
    this.stacks = card.stacks.map((stack) => ({ ...stack, rowSlots: slots(stack.rows, this.size), keySlots: slots(stack.keys, this.size) }));
    this.panels = this.findPanels();
    this.wordOf = new Map();
    for (const copy of card.words) for (const word of copy.words) {
      for (const token of word.tokens) this.wordOf.set(token, { ...word, copy: copy.copy });
    }
  }

  // A panel for each grid of patches: camera by camera, oldest timestep first.
  findPanels() {
    return this.card.cameras.flatMap((camera, at) => camera.grids.map((grid) => {
      const span = this.card.spans[grid.span], several = camera.grids.filter((other) => this.card.spans[other.span].time === span.time).length > 1;
      const back = this.card.window - 1 - span.time;
      return {
        key: `${at}.${grid.span}`, camera: at, name: camera.name, span, box: grid.box, rows: span.grid[0], columns: span.grid[1],
        height: camera.height, width: camera.width, masks: camera.masks, back, time: span.time,
        label: `${span.cameras.join("+")} ${back ? "t-" + back : "t"}${several ? ` (${span.group})` : ""}`,
        // The same in two parts: what may be cut where there is no room, and what may not.
        what: span.cameras.join("+") + (several ? ` (${span.group})` : ""), when: back ? "t-" + back : "t",
      };
    }));
  }

  focus(key) { return this.panels.find((panel) => panel.key === key) || this.panels.filter((panel) => panel.back === 0)[0] || this.panels[0]; }

  name_of(tokens) {
    if (!tokens.length) return "";
    const word = this.wordOf.get(tokens[0]);
    if (word && word.tokens.length === tokens.length) return `"${word.text}" of ${word.copy}`;
    return this.card.tokens[tokens[0]].name + (tokens.length > 1 ? ` and ${tokens.length - 1} more` : "");
  }

  // All tokens of the word that a token is a piece of.
  whole(token) { const word = this.wordOf.get(token); return word ? word.tokens : [token]; }

  // The group of the tokens whose rows a stack lacks, or "" where it has them.
  lacks(stack, tokens, way) {
    const kept = way === "from" ? stack.rowSlots : stack.keySlots;
    const missing = tokens.find((token) => kept[token] < 0);
    return missing === undefined ? "" : this.card.spans[this.spanOf[missing]].group;
  }

  // Why nothing can be shown, and the command that would mend it.
  advice(stack, tokens, way) {
    const group = this.lacks(stack, tokens, way);
    if (!group) return null;
    const able = way === "from" ? stack.query_groups : stack.key_groups;
    const told = this.card.told;
    if (!able.includes(group)) return { text: way === "from" ? `${group} does not look in the stack "${stack.name}".` : `Nobody looks at ${group} in the stack "${stack.name}".` };
    const groups = new Set([...stack.arrays.map((array) => array.name.split("/").pop()), group]);
    const kept = [...new Set(stack.keys.map((token) => this.card.spans[this.spanOf[token]].group)), group];
    const wanted = way === "from" ? `--queries ${[...groups].join(" ")}` : `--keys ${kept.join(" ")}`;
    return {
      text: way === "from" ? `Not captured: what ${group} looks at.` : `Not captured: attention to ${group}.`,
      command: `octoscope attend ${told.policy} ${told.dataset || "EPISODES"} ${wanted}`,
    };
  }
}

function slots(places, size) {
  const table = new Int32Array(size).fill(-1);
  places.forEach((place, at) => { table[place] = at; });
  return table;
}

export const tokensOf = (text) => (text ? text.split("+").map(Number) : []);

// Everything from the keyboard; the page's help lists it.

const KEYS = [
  ["space", "play, pause"], ["← →", "a step back, on; with Shift ten"], ["Home End", "first, last step"], ["[ ]", "layer before, after"], [", .", "head before, after"],
  ["m", "mean of heads, largest of heads, or head 0"], ["d", "whom it looks at, who looks at it"], ["s", "next scale"], ["f", "next camera for the maps"], ["Tab, arrows, Enter", "in a camera: walk over patches, ask for one; in words: ask for one"],
  ["b", "under What if: paint patches and words"], ["p", "pin this view"], ["1 … 9", "open a pin"], ["c", "copy the receipt of the number in the line"], ["l", "copy a link to this view"], ["t", "light, dark"], ["Esc", "unlock; clear the span"], ["?", "this help"],
];
const SCALES = ["even", "linear", "log", "tile"];

export function useKeys(app) {
  const dialog = document.getElementById("keys"), table = document.createElement("table");
  for (const [key, told] of KEYS) {
    const row = table.insertRow();
    const kbd = document.createElement("kbd");
    kbd.textContent = key;
    row.insertCell().append(kbd);
    row.insertCell().textContent = told;
  }
  const title = document.createElement("h2"), close = document.createElement("button");
  title.textContent = "Keys";
  close.textContent = "Close";
  close.type = "button";
  close.addEventListener("click", () => dialog.close());
  const mouse = document.createElement("p");
  mouse.textContent = "Point at a word or patch to see its attention, where it was captured; click to keep it. Drag over the strips to choose a span of steps. Attention alone does not show what the action depends on.";
  const rule = document.createElement("p");
  rule.id = "rule";
  rule.className = "quiet";
  dialog.append(title, table, mouse, rule, close);
  addEventListener("keydown", (event) => press(app, event));
}

function press(app, event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || !app.run) return;
  if (target.matches("select, textarea, input:not([type=range])") || document.querySelector("dialog[open]")) return;
  const range = target.matches("input[type=range]");
  if (key === " " && target.matches("button")) return;
  if (range && target.id !== "step" && /^(Arrow|Home|End)/.test(key)) return;
  if (key === "b" && app.tabs.shown === "whatif") { app.whatIf.paint(!app.whatIf.painting); return; }
  const action = actionOf(app, key, event.shiftKey);
  if (!action) return;
  event.preventDefault();
  action();
}

function actionOf(app, key, shift) {
  const { state, run, store } = app, stack = run.stacks[state.stack];
  const layers = ["mean", ...Array(stack?.num_layers || 0).keys()], heads = ["mean", ...Array(stack?.num_heads || 0).keys()];
  const walk = (list, value, by) => list[Math.max(0, Math.min(list.length - 1, Math.max(0, list.indexOf(value)) + by))];
  const focus = () => { const at = run.panels.indexOf(run.focus(state.focus)); return run.panels[(at + 1) % run.panels.length]?.key || ""; };
  if (/^[1-9]$/.test(key)) return () => app.pins.open(Number(key) - 1);
  return {
    " ": () => app.play(), ArrowLeft: () => app.go(state.step - (shift ? 10 : 1)), ArrowRight: () => app.go(state.step + (shift ? 10 : 1)),
    Home: () => app.go(0), End: () => app.go(run.steps.length - 1),
    "[": () => store.set({ layer: walk(layers, state.layer, -1) }), "]": () => store.set({ layer: walk(layers, state.layer, 1) }),
    ",": () => store.set({ head: walk(heads, state.head, -1) }), ".": () => store.set({ head: walk(heads, state.head, 1) }),
    m: () => store.set({ head: state.head === "mean" ? "max" : state.head === "max" ? 0 : "mean" }), d: () => app.turn(),
    s: () => store.set({ scale: SCALES[(SCALES.indexOf(state.scale) + 1) % SCALES.length] }), f: () => store.set({ focus: focus() }),
    p: () => app.pins.add(), c: () => app.copyReceipt(), l: () => app.copy(store.link()), t: () => app.theme(), Escape: () => app.unlock(),
    "?": () => document.getElementById("keys").showModal(),
  }[key];
}

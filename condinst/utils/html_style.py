"""The style and the script of our HTML pages.

The page is read without the script, which adds sorting to tables, a cue to tables that go on to the
right, and a dialog to images. Colors are
variables, so that text, tables and charts follow the reader's light or dark mode; printing uses the
light one. Text has a contrast of at least 4.5 to what is behind it, and lines of charts have 3.
"""

from __future__ import annotations

__all__ = ["NUM_COLORS", "SCRIPT", "STYLE"]

NUM_COLORS = 10  # of the lines of a chart: --c0 to --c9

STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1f2328; --muted: #59636e;
  --line: #d1d9e0; --edge: #8c959f; --soft: #f3f5f8; --link: #0757ba; --ok: #1a7f37;
  --warning: #8a5c00; --error: #c01f2b; --bar: #cfe3fb; --heat: #0969da;
  --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #cf222e;
  --c5: #0e7c86; --c6: #9a6700; --c7: #bf3989; --c8: #59636e; --c9: #7a5230; }
@media screen and (prefers-color-scheme: dark) {
  :root { --back: #14171c; --text: #e6edf3; --muted: #a3adb8;
    --line: #3d444d; --edge: #656d76; --soft: #1e232a; --link: #6cb6ff; --ok: #4ac26b;
    --warning: #dba827; --error: #ff8077; --bar: #1f3d66; --heat: #4493f8;
    --c0: #4493f8; --c1: #f0883e; --c2: #3fb950; --c3: #ab7df8; --c4: #ff7b72;
    --c5: #39c5cf; --c6: #d29922; --c7: #f778ba; --c8: #9198a1; --c9: #c69c6d; }
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 84rem;
  background: var(--back); color: var(--text); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: .5rem 0 1rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
h1, h2, h3 { line-height: 1.25; scroll-margin-top: 1rem; }
a { color: var(--link); }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .25rem 1rem; }
nav { border-bottom: 1px solid var(--line); padding-bottom: .75rem; }
.ok { color: var(--ok); } .warning { color: var(--warning); } .error { color: var(--error); }
.key { display: grid; gap: .75rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(9.5rem, 100%), 1fr)); }
.key div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.key dt { font-size: .875rem; color: var(--muted); }
.key dd { margin: 0; font-size: 1.75rem; font-weight: 600; line-height: 1.2; }
.key .note { font-size: .8125rem; font-weight: 400; color: var(--muted); line-height: 1.35; }
.facts { display: grid; margin: 1rem 0; }
.facts div { display: grid; grid-template-columns: 9rem minmax(0, 1fr); gap: 0 1rem;
  padding: .25rem 0; border-bottom: 1px solid var(--line); }
.facts dt { color: var(--muted); } .facts dd { margin: 0; }
.scroll { overflow: auto; max-width: 100%; margin: .75rem 0 .25rem;
  background:
    linear-gradient(to right, var(--back) 50%, transparent) 0 0 / 2rem 100% no-repeat local,
    linear-gradient(to left, var(--back) 50%, transparent) 100% 0 / 2rem 100% no-repeat local,
    linear-gradient(to right, var(--edge), transparent) 0 0 / .75rem 100% no-repeat scroll,
    linear-gradient(to left, var(--edge), transparent) 100% 0 / .75rem 100% no-repeat scroll; }
.cut { mask-image: linear-gradient(to left, transparent, #000 3rem); }
.cue { display: none; } .cut + .cue { display: block; }
.tall { max-height: 36rem; }
table { border-collapse: collapse; overflow-wrap: normal; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: left; }
td { min-width: 2.5rem; max-width: min(28rem, 70vw); overflow-wrap: break-word; }
.long { min-width: 12rem; }
thead th { background: var(--soft); position: sticky; top: 0; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--link); }
th button::after { content: "\\a0\\2195"; color: var(--muted); }
[aria-sort=ascending] button::after { content: "\\a0\\2191"; color: inherit; }
[aria-sort=descending] button::after { content: "\\a0\\2193"; color: inherit; }
.bar { background: linear-gradient(to right, var(--bar) calc(var(--f) * 100%), transparent 0);
  min-width: 7rem; print-color-adjust: exact; }
.matrix td { text-align: right; min-width: 2rem; padding: .15rem .4rem; border: 0;
  background: color-mix(in srgb, var(--heat) calc(var(--f, 0) * 45%), transparent);
  font-variant-numeric: tabular-nums; print-color-adjust: exact; }
.matrix th { padding: .15rem .5rem; font-weight: 400; }
.matrix tbody th { position: sticky; left: 0; background: var(--soft); max-width: 9rem;
  overflow-wrap: break-word; }
.matrix thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
.matrix span { display: block; max-height: 9rem; overflow-wrap: anywhere; }
.matrix thead th:first-child { writing-mode: initial; transform: none; }
figure { margin: 0; } figcaption, .data, footer { font-size: .875rem; color: var(--muted); }
.data { margin: .25rem 0 1rem; }
.charts { display: grid; gap: 1.5rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
.chart svg { width: 100%; max-width: 32rem; height: auto; display: block; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1rem; margin: .25rem 0;
  padding: 0; font-size: .875rem; }
.legend li::before { content: ""; display: inline-block; width: 1.25em; height: .25em;
  background: var(--c); margin-right: .4em; vertical-align: .25em; print-color-adjust: exact; }
.images { display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(var(--side), 100%), 1fr)); }
.panels { display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); }
.panels small { display: block; color: var(--text); }
.images img { width: 100%; height: auto; display: block; }
.zoom { color: inherit; text-decoration: none; display: block; cursor: zoom-in; }
.close { display: none; }
.shot:target, dialog { position: fixed; inset: 0; z-index: 9; overflow: auto; border: 0;
  padding: 1rem; width: 100vw; height: 100vh; max-width: none; max-height: none;
  background: var(--back); color: var(--text); }
.shot:target .close { display: block; } .shot:target svg, dialog svg { max-width: none; }
dialog:not([open]) { display: none; }
dialog img { width: 100%; height: auto; max-height: 85vh; object-fit: contain; }
dialog svg { width: 100%; height: auto; max-height: 85vh; }
footer { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: .5rem; }
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 0 2.5rem; }
  nav { position: sticky; top: 1rem; align-self: start; border: 0; font-size: .9375rem;
    max-height: calc(100vh - 2rem); overflow: auto; }
  nav ul { flex-direction: column; flex-wrap: nowrap; }
}
@media (max-width: 40rem) { .facts div { grid-template-columns: minmax(0, 1fr); } }
@media print {
  body { display: block; max-width: none; font-size: 11pt; }
  .scroll, .tall { overflow: visible; max-height: none; background: none; mask-image: none; }
  .cut + .cue { display: none; }
  .shot:target { position: static; height: auto; width: auto; } .close, dialog { display: none; }
  figure, tr, .key div { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .images { grid-template-columns: repeat(auto-fill, minmax(min(var(--side), 48%), 1fr)); }
  .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  thead th { position: static; } th button::after { content: ""; }
}
"""

# Clicks on a heading sort a table; clicks on an image or a chart open it in a dialog. A table that
# goes on to the right fades out there, and says so below.
SCRIPT = """
"use strict";
const number = text => /^-?[\\d,.]+%?$/.test(text) ? parseFloat(text.replace(/,/g, "")) : NaN;
function compare(a, b) {
  const x = number(a), y = number(b);
  if (a === "-" || b === "-") return (a === "-") - (b === "-");
  return isNaN(x) || isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
}
for (const table of document.querySelectorAll("table.sort")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const falls = head.getAttribute("aria-sort") === "ascending" ||
        (!head.hasAttribute("aria-sort") && head.classList.contains("number"));
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const text = row => row.cells[column].textContent.trim();
      const rows = [...body.rows].sort((a, b) => {
        const unknown = (text(a) === "-") - (text(b) === "-");
        return unknown || (falls ? compare(text(b), text(a)) : compare(text(a), text(b)));
      });
      body.append(...rows);
    };
  });
}
for (const box of document.querySelectorAll(".scroll")) {
  const cue = document.createElement("p");
  cue.className = "data cue";
  cue.textContent = "the table goes on to the right \u2192";
  box.after(cue);
  const look = () =>
    box.classList.toggle("cut", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.onscroll = look;
  new ResizeObserver(look).observe(box);
}
const shots = [...document.querySelectorAll(".shot")], dialog = document.createElement("dialog");
let shown = -1;
function show(index) {
  shown = (index + shots.length) % shots.length;
  const close = document.createElement("button");
  close.textContent = "close";
  close.onclick = () => dialog.close();
  const copies = [...shots[shown].children].filter(e => !e.matches(".close, .data"));
  dialog.replaceChildren(close, ...copies.map(e => e.cloneNode(true)));
}
document.body.append(dialog);
document.addEventListener("click", event => {
  const link = event.target.closest(".zoom");
  if (!link) return;
  event.preventDefault();
  if (dialog.contains(link)) return dialog.close();
  show(shots.indexOf(link.closest(".shot")));
  dialog.showModal();
});
dialog.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) show(shown + step);
});
"""

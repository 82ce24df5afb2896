"""How the page of a run looks, and how its buttons work."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff;
        --tint: #f5f7f9; --accent: #0b5c8a; --good: #1c7a46; --bad: #b3261e; --care: #9a5b00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #2c3541; --paper: #12161c; --tint: #1a2029;
          --accent: #6db7e3; --good: #62c48d; --bad: #ff8a80; --care: #f0b35a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
header, main { max-width: 84rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em;
     overflow-wrap: anywhere; }
.lead { margin: 0 0 .75rem; color: var(--soft); }
.notice { margin: 0 0 1.25rem; padding: .55rem .9rem; border-left: 4px solid var(--care);
          background: var(--tint); max-width: 60rem; }
.notice p { margin: .2rem 0; }
nav { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: 1.25rem; }
button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line);
         border-radius: 999px; padding: .25rem .9rem; cursor: pointer; }
button[aria-pressed=true] { border-color: var(--accent); color: var(--accent);
                            box-shadow: inset 0 0 0 1px var(--accent); }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
main { display: grid; gap: 1rem; padding-bottom: 3rem;
       grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); align-items: start; }
article { border: 1px solid var(--line); border-radius: 8px; overflow: hidden;
          background: var(--tint); }
article.failed { border-color: var(--bad); }
article[hidden] { display: none; }
.picture { display: flex; justify-content: center; background: #000; }
.picture img { display: block; width: 100%; height: 180px; object-fit: contain; }
.picture.none { height: 0; }
.text { padding: .7rem .9rem .8rem; }
h2 { font-size: 1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
.text p { margin: .2rem 0 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.status { font-weight: 600; }
.done .status { color: var(--good); }
.failed .status { color: var(--bad); }
.notrun .status, .soft { color: var(--soft); }
.soft, .warning, .cnr { font-size: .875rem; }
.warning { color: var(--care); }
.warning::before { content: "\\26A0\\FE0E  "; }
@media print { nav { display: none; } article { break-inside: avoid; } }
"""

SCRIPT = """
const buttons = document.querySelectorAll('button[data-show]');
buttons.forEach(button => button.addEventListener('click', () => {
  buttons.forEach(other => other.setAttribute('aria-pressed', other === button));
  const kind = button.dataset.show;
  document.querySelectorAll('article').forEach(card => {
    card.hidden = kind !== 'all' && !card.classList.contains(kind);
  });
}));
"""

"use strict";
// Says that the page is old, and hides rows that do not have all words of the filter. All that
// the page says can be read without it.
(() => {
  const page = document.documentElement, old = 30 * 60 * 1000;
  const age = () => { document.getElementById("old").hidden = Date.now() - Date.parse(page.dataset.at) < old; };
  age();
  setInterval(age, 60 * 1000);

  const box = document.getElementById("filter"), said = document.getElementById("said");
  const rows = [...document.querySelectorAll("table.sources > tbody > tr")], texts = [];
  const filter = () => {
    if (!texts.length) for (const r of rows) texts.push(r.textContent.toLowerCase());
    const words = box.value.toLowerCase().split(/\s+/).filter(w => w);
    let shown = 0;
    rows.forEach((r, i) => { r.hidden = !words.every(w => texts[i].includes(w)); if (!r.hidden) shown++; });
    for (const s of document.querySelectorAll("section.state-of")) s.hidden = !s.querySelector("tbody > tr:not([hidden])");
    said.textContent = words.length ? shown + " of " + rows.length + " sources" : "";
  };
  box.addEventListener("input", filter);
  document.getElementById("search").hidden = false;
  if (box.value) filter(); // which the browser kept
})();

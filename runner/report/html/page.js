'use strict';
// Filters, and links that lead into what is closed. All else works without script.
(() => {
  const filters = document.getElementById('filters');
  const cases = [...document.querySelectorAll('#cases ~ details')];
  const reveal = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const around = place && place.closest('details');
    if (!around || around.contains(document.getElementById('matrix'))) return;
    around.hidden = false;
    around.open = true;
    around.scrollIntoView();
  };
  addEventListener('hashchange', reveal);
  if (location.hash) reveal();
  if (!filters) return;

  const query = document.getElementById('query');
  const boxes = [...filters.querySelectorAll('[type=checkbox]')];
  const texts = cases.map((one) => one.firstElementChild.textContent.toLowerCase());
  const places = new Map(cases.map((one) => ['#' + one.lastElementChild.id, one]));
  const rows = [...document.querySelectorAll('.matrix tbody tr:not(.group)')].map((row) => [
    row,
    [...row.querySelectorAll('a')].map((link) => places.get(link.getAttribute('href'))),
  ]);
  const groups = [...document.querySelectorAll('.matrix tbody')];

  const apply = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    cases.forEach((one, at) => {
      const isShown = wanted.has(one.className) && words.every((word) => texts[at].includes(word));
      one.hidden = !isShown;
      count += isShown;
    });
    for (const [row, its] of rows) row.hidden = !its.some((one) => !one.hidden);
    for (const group of groups) group.hidden = !group.querySelector('tr:not(.group):not([hidden])');
    document.getElementById('shown').textContent = `${count} of ${cases.length} shown`;
  };
  let waiting = 0;
  query.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 80);
  });
  filters.addEventListener('change', apply);
  filters.addEventListener('submit', (event) => event.preventDefault());
  document.getElementById('open').addEventListener('click', () => {
    // Many conversations at once are laid out as they come into view.
    document.body.classList.toggle('many', cases.length > 100);
    for (const one of cases) one.open = one.open || !one.hidden;
  });
  document.getElementById('close').addEventListener('click', () => {
    for (const one of cases) one.open = false;
  });
  filters.hidden = false;
  apply();
})();

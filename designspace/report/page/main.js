// Contents are folded on small screens; on paper everything that matters is open.
if (matchMedia('(max-width: 70rem)').matches) document.querySelector('.contents details').open = false;

let openedForPrint = [];
addEventListener('beforeprint', () => {
  openedForPrint = [...document.querySelectorAll('details.for-print:not([open])')];
  for (const details of openedForPrint) details.open = true;
});
addEventListener('afterprint', () => {
  for (const details of openedForPrint) details.open = false;
});

startTable(document.querySelector('.models'));
startCharts();
document.documentElement.dataset.ready = 'true';

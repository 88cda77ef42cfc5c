// The card of one model: shown beside the pointer, or pinned by a click, a tap or the keyboard.
const card = document.querySelector('.card');
let cardOpener = null;

function cardContent(i, note) {
  const space = models.space[i];
  const fact = (name, value) => [el('dt', {}, name), el('dd', {}, value)];
  const seconds = models.train_seconds[i];
  return [
    el('header', {},
      el('span', { class: 'name' }, swatch(space), data.spaces[space].name),
      el('button', { class: 'close', type: 'button', 'aria-label': 'Close', onclick: closeCard }, '×')),
    el('p', { class: 'id' }, models.model_id[i]),
    el('p', { class: 'value' },
      models.error[i] === null ? statusText[models.status[i]] : percent(models.error[i]),
      models.error[i] === null ? '' : el('small', {}, ' top-1 error')),
    note ? el('p', { class: 'note' }, note) : null,
    models.reason[i] ? el('p', { class: 'note' }, models.reason[i]) : null,
    el('dl', {},
      fact('depth', `${depth(i)} blocks: ${models.depths[i].join(', ')}`),
      fact('widths', models.widths[i].join(', ')),
      fact('b', shared(models.bottleneck_ratios[i])),
      fact('g', shared(models.group_widths[i])),
      fact('flops', short(models.flops[i])),
      fact('params', short(models.params[i])),
      fact('acts', short(models.acts[i])),
      seconds === null ? null : fact('training', `${short(seconds)} s`)),
    el('div', { class: 'minis' },
      el('div', {}, el('p', {}, 'width per block'), widthChart(i)),
      el('div', {}, el('p', {}, 'error by epoch [%]'), learningChart(i))),
  ];
}

// Bars, one a block, shaded by stage; the drawing is 150 by 92.
function widthChart(i) {
  const blocks = models.depths[i].flatMap((d, stage) => Array(d).fill(stage));
  const most = Math.max(...models.widths[i]);
  const step = 146 / blocks.length;
  const bars = blocks.map((stage, j) => {
    const height = 70 * models.widths[i][stage] / most;
    return svg('rect', {
      x: 2 + j * step, y: 80 - height, width: Math.max(0.8, step - 1), height,
      fill: paint(models.space[i]), 'fill-opacity': stage % 2 ? 0.55 : 0.95,
    });
  });
  return svg('svg', { viewBox: '0 0 150 92', role: 'img', 'aria-label': `widths ${models.widths[i].join(', ')}` },
    svg('path', { class: 'frame', d: 'M0 80.5H150' }), bars,
    svg('text', { x: 0, y: 7 }, String(most)),
    svg('text', { x: 0, y: 91 }, '1'),
    svg('text', { x: 150, y: 91, 'text-anchor': 'end' }, `block ${blocks.length}`));
}

// Validation error after each epoch.
function learningChart(i) {
  const errors = models.val_errors[i];
  if (!errors.some((error) => error !== null)) return el('p', {}, 'not recorded');
  const known = errors.filter((error) => error !== null);
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const x = (j) => (errors.length === 1 ? 75 : 5 + 140 * j / (errors.length - 1));
  const y = (error) => 76 - 62 * (error - low) / span;
  const points = errors.map((error, j) => (error === null ? null : [x(j), y(error)])).filter(Boolean);
  const stroke = paint(models.space[i]);
  return svg('svg', { viewBox: '0 0 150 92', role: 'img', 'aria-label': `errors ${known.join(', ')} percent` },
    svg('path', { class: 'frame', d: 'M0 80.5H150' }),
    svg('path', { d: `M${points.map((p) => p.map((v) => v.toFixed(1)).join(' ')).join('L')}`, fill: 'none', stroke,
      'stroke-width': 1.8 }),
    errors.length > 20 ? null : points.map(([cx, cy]) => svg('circle', { cx, cy, r: 2.2, fill: stroke })),
    svg('text', { x: 10, y: 10 }, known[0].toFixed(1)),
    svg('text', { x: 150, y: 68, 'text-anchor': 'end' }, known[known.length - 1].toFixed(1)),
    svg('text', { x: 0, y: 91 }, '1'),
    svg('text', { x: 150, y: 91, 'text-anchor': 'end' }, `epoch ${errors.length}`));
}

function showCard(i, at, { note = '', pin = false, opener = null } = {}) {
  card.replaceChildren(...cardContent(i, note).filter((part) => part !== null));
  card.dataset.model = i;
  card.classList.toggle('pinned', pin);
  card.hidden = false;
  const { width, height } = card.getBoundingClientRect();
  const left = at.x + 18 + width < innerWidth ? at.x + 18 : at.x - 18 - width;
  card.style.left = `${Math.max(8, left)}px`;
  card.style.top = `${Math.min(Math.max(8, at.y - height / 3), Math.max(8, innerHeight - height - 8))}px`;
  card.classList.toggle('low', at.y <= innerHeight / 2);
  card.classList.toggle('high', at.y > innerHeight / 2);
  card.querySelector('.close').hidden = !pin;
  if (opener) {
    cardOpener = opener;
    card.querySelector('.close').focus();
  }
}

function hideHoverCard() {
  if (!card.classList.contains('pinned')) card.hidden = true;
}

function closeCard() {
  card.hidden = true;
  card.classList.remove('pinned');
  if (cardOpener && cardOpener.isConnected) cardOpener.focus();
  cardOpener = null;
}

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !card.hidden) closeCard();
});

addEventListener('scroll', hideHoverCard, { passive: true });

document.addEventListener('pointerdown', (event) => {
  if (card.classList.contains('pinned') && !card.contains(event.target)) {
    cardOpener = null;
    closeCard();
  }
});

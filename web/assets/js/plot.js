// A plot by uPlot, with a sentence and a table of the same figures for whoever cannot see it.
import { html, useEffect, useRef, useState } from './lib.js';
import { moment } from './ui.js';

const library = import('../vendor/uplot.mjs').then(found => found.default);
const token = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const POINTS_MIN = 2;
const ROWS = 12;

/** The next rounder number. */
function ceiling(value) {
  if (value <= 4) return 4;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map(step => step * unit).find(step => step >= value);
}

export function Plot({ label, series, names, show, step, points, since }) {
  const box = useRef();
  const plot = useRef();
  const [at, setAt] = useState(null);
  const enough = series && series[0].length >= POINTS_MIN;
  useEffect(() => {
    if (!enough) return;
    let gone = false;
    let made;
    const make = async () => {
      const UPlot = await library;
      await document.fonts.ready;
      if (gone || !box.current) return;
      made?.destroy();
      const size = () => ({ width: box.current.clientWidth, height: 140 });
      const axis = options => ({ stroke: token('--ink2'), font: '12px "Plex Sans", sans-serif', grid: { stroke: token('--line'), width: 1 }, ticks: { show: false }, gap: 4, ...options });
      const lines = [{ stroke: token('--p1'), fill: `${token('--p1')}1c` }, { stroke: token('--p2'), dash: [4, 3] }];
      made = new UPlot({
        ...size(), padding: [8, 16, 0, 0], legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        scales: { x: { range: (_, low, high) => [Math.min(low, high - step * points), high] }, y: { range: (_, low, high) => [0, ceiling(high || 0)] } },
        axes: [axis({ grid: { show: false }, space: 64, size: 24, values: (_, all) => all.map(secs => new Date(secs * 1000).toLocaleString(undefined, step >= 1800 ? { weekday: 'short', hour: '2-digit', hourCycle: 'h23' } : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })) }),
          axis({ size: 44, space: 36, values: (_, all) => all.map(value => value.toLocaleString()) })],
        series: [{}, ...names.map((_, at) => ({ width: 1.75, points: { show: false }, ...lines[at] }))],
        hooks: { setCursor: [one => setAt(one.cursor.idx ?? null)] },
      }, series, box.current);
      plot.current = made;
    };
    make();
    const sized = new ResizeObserver(() => { if (made && box.current) made.setSize({ width: box.current.clientWidth, height: 140 }); });
    sized.observe(box.current);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', make);
    addEventListener('themechange', make);
    return () => {
      gone = true;
      made?.destroy();
      plot.current = null;
      sized.disconnect();
      dark.removeEventListener('change', make);
      removeEventListener('themechange', make);
    };
  }, [enough, names.length, step]);
  useEffect(() => { plot.current?.setData(series); }, [series]);
  const last = enough ? series[0].length - 1 : 0;
  const place = at != null && at <= last ? at : last;
  const sentence = enough ? names.map((name, of) => {
    const values = series[of + 1];
    return `${name}: low ${show(Math.min(...values))}, high ${show(Math.max(...values))}, now ${show(values[last])}`;
  }).join('. ') : '';
  const jump = Math.max(1, Math.floor((last + 1) / ROWS));
  return html`<figure class="plot"><div class="hd">${names.map((name, of) => html`<span key=${name} class=${`key ${of ? 'k2' : ''}`}><i></i>${name} <b>${enough ? show(series[of + 1][place]) : '–'}</b></span>`)}${at != null && enough && html`<span class="key">${moment(series[0][place])}</span>`}</div>
    ${enough ? html`<div ref=${box} role="img" aria-label=${`${label}. ${sentence}`}></div>
      <details class="plot-table"><summary>As a table</summary><div class="data-table" tabindex="0" role="region" aria-label=${`${label} as a table`}><table><thead><tr><th scope="col">Time</th>${names.map(name => html`<th scope="col" class="num">${name}</th>`)}</tr></thead><tbody>
        ${series[0].map((secs, row) => (last - row) % jump === 0 && html`<tr key=${secs}><td>${moment(secs)}</td>${names.map((_, of) => html`<td class="num">${show(series[of + 1][row])}</td>`)}</tr>`)}</tbody></table></div></details>`
      : html`<div class="plot-empty">Figures are collected since ${moment(since)}. ${step ? `A point each ${step < 120 ? `${step} s` : `${step / 60} min`}.` : ''}</div>`}</figure>`;
}

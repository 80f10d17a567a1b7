// The use of each day or month as a chart.

import { html, useEffect, useRef, useState } from './vendor/htm-preact.js';
import { number } from './api.js';

/** Loads the charts' library when the first chart is shown. */
function charts() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = '/assets/vendor/uPlot.iife.min.js';
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
}

/** The use of each day or month as bars. */
export function Chart({ entries, meter, isMonth }) {
  const box = useRef();
  const [isReady, setReady] = useState(Boolean(window.uPlot));
  useEffect(() => {
    if (!isReady)
      charts().then(
        () => setReady(true),
        () => {},
      );
  }, []);
  useEffect(() => {
    if (!isReady || !entries.length) return undefined;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const xs = entries.map((entry) => entry.start / 1000);
    const used = entries.map((entry) => entry.used);
    const label = (secs) =>
      new Date(secs * 1000).toLocaleDateString('en-GB', {
        timeZone: 'UTC',
        ...(isMonth ? { month: 'short', year: '2-digit' } : { day: 'numeric', month: 'short' }),
      });
    const axis = {
      stroke: colour('--dim'),
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    };
    const chart = new window.uPlot(
      {
        width: box.current.clientWidth,
        height: 180,
        tzDate: (secs) => window.uPlot.tzDate(new Date(secs * 1000), 'UTC'),
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            values: (_, ticks) => ticks.map(label),
            space: 64,
            size: 32,
          },
          {
            ...axis,
            size: 56,
            values: (_, ticks) => ticks.map((tick) => (tick % 1 ? '' : number(tick))),
          },
        ],
        series: [
          {},
          {
            label: 'used',
            fill: colour('--accent'),
            width: 0,
            paths: window.uPlot.paths.bars({ size: [0.7, 40] }),
            points: { show: false },
          },
        ],
      },
      [xs, used],
      box.current,
    );
    const size = new ResizeObserver(() =>
      chart.setSize({ width: box.current.clientWidth, height: 180 }),
    );
    size.observe(box.current);
    return () => {
      size.disconnect();
      chart.destroy();
    };
  }, [JSON.stringify(entries), isMonth, isReady]);
  const most = Math.max(...entries.map((entry) => entry.used), 0);
  const sum = entries.reduce((all, entry) => all + entry.used, 0);
  const periods = `${entries.length} ${isMonth ? 'months' : 'days'}`;
  const text = `${number(sum)} ${meter} in ${periods}, at most ${number(most)} in one`;
  return html`<figure>
    <div class="chart" ref=${box} role="img" aria-label=${text}></div>
    <figcaption class="dim">${text}, in UTC</figcaption>
  </figure>`;
}

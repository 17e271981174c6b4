// What happened, the newest first.
import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi } from '../api.js';
import { useEvents } from '../live.js';
import { Icon, Time, Words, hostPath } from '../ui.js';

const ICONS = {
  bound: 'log-in', renewed: 'rotate-ccw', released: 'log-out', expired: 'timer-off', declined: 'triangle-alert',
  conflict: 'triangle-alert', renamed: 'pencil', 'name-ended': 'eye-off', published: 'tag', dns: 'refresh-cw', 'dns-failed': 'octagon-x',
};
const KINDS = { warn: 'warn', bad: 'bad', info: 'info' };

/** The newest events, kept up by the stream. */
export function useFeed(most) {
  const asked = useApi(`/events?limit=${Math.min(most, 200)}`);
  const [events, setEvents] = useState(null);
  useEffect(() => { if (asked.data) setEvents(asked.data.events); }, [asked.data]);
  useEvents(({ events: fresh, gap }) => {
    if (gap) { asked.reload(); return; }
    setEvents(known => {
      if (!known) return known;
      const newest = known[0]?.id ?? 0;
      const more = fresh.filter(event => event.id > newest).map(event => ({ ...event, fresh: true })).reverse();
      return [...more, ...known].slice(0, most);
    });
  }, [most, asked.reload]);
  return { ...asked, events };
}

export const Feed = ({ events }) => html`<ul class="feed">${events.map(event => html`<${Row} key=${event.id} event=${event}/>`)}</ul>`;

function Row({ event }) {
  const { lease } = event;
  return html`<li class=${event.fresh ? 'fresh' : ''}><${Icon} name=${ICONS[event.kind] ?? 'info'} kind=${KINDS[event.level] ?? ''} small/>
    ${lease ? html`<a class="t" href=${hostPath(lease)}>${event.title}</a>` : html`<span class="t">${event.title}</span>`}<${Time} at=${event.at}/>
    <span class="sub" title=${event.detail}><${Words}>${event.detail}</${Words}></span></li>`;
}

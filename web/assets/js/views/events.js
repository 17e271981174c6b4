// What happened?
import { html, useState } from '../lib.js';
import { go, withQuery } from '../router.js';
import { Empty, Head, Icon, Problem, Search, Segments, Skeleton, absolute, plural } from '../ui.js';
import { Feed, useFeed } from './feed.js';

const MOST = 200;
const KINDS = [['', 'All'], ['lease', 'Leases'], ['dns', 'DNS'], ['fault', 'Faults']];
const wanted = {
  '': () => true, lease: event => !!event.lease, dns: event => ['published', 'dns', 'dns-failed'].includes(event.kind), fault: event => event.level === 'warn' || event.level === 'bad',
};

export function Events({ query, status }) {
  const { events, error, reload } = useFeed(MOST);
  const kind = query.get('kind') ?? '', text = query.get('q') ?? '';
  const [held, hold] = useState(null);
  const shown = (held ?? events ?? []).filter(event => wanted[Object.hasOwn(wanted, kind) ? kind : ''](event) && `${event.title} ${event.detail} ${event.lease?.hardware ?? ''}`.toLowerCase().includes(text.toLowerCase()));
  const missed = held && events ? events.filter(event => event.id > (held[0]?.id ?? 0)).length : 0;
  return html`<${Head} icon="history" heading="Events">${status.data ? `Since the daemon started, ${absolute(status.data.started_at)}. The newest ${MOST} are shown.` : ''}</${Head}>
    <div class="filters"><${Search} value=${text} label="Find in events" onSearch=${q => go(withQuery({ q }), { replace: true })}/><${Segments} label="Kind" value=${kind} options=${KINDS} onPick=${one => go(withQuery({ kind: one }))}/><button type="button" class="btn" aria-pressed=${String(!!held)} onClick=${() => hold(held ? null : events)}>${held ? `Go on${missed ? ` · ${plural(missed, 'new event')}` : ''}` : 'Hold still'}</button></div>
    ${error && !events ? html`<${Problem} error=${error} retry=${reload}/>` : !events ? html`<${Skeleton} height=${320}/>` : shown.length ? html`<div class="card box"><${Feed} events=${shown}/></div>`
      : html`<div class="card"><${Empty} icon="history" title=${events.length ? 'No event fits' : 'Nothing happened yet'}>${events.length ? `${plural(events.length, 'event')} hidden by the filters.` : 'Leases that begin, are renewed and end show here, and what becomes of their names.'}</${Empty}></div>`}`;
}

// On a phone, the views that have no tab.
import { html } from '../lib.js';
import { Head, Icon } from '../ui.js';

export function More({ theme, me, connection, status }) {
  return html`<${Head} icon="ellipsis" heading="More">Leasehold ${status.data?.version ?? ''} on ${status.data?.host ?? 'this machine'}</${Head}>
    <div class="card menu"><a href="/hosts"><${Icon} name="monitor-smartphone"/>Hosts</a><a href="/dns-work"><${Icon} name="refresh-cw"/>DNS work${status.data?.names.refused > 0 && html`<span class="count">${status.data.names.refused}<span class="vh"> refused</span></span>`}</a><a href="/queries"><${Icon} name="activity"/>Queries</a><a href="/events"><${Icon} name="history"/>Events</a><a href="/history"><${Icon} name="clock"/>History</a><a href="/configuration"><${Icon} name="settings-2"/>Configuration</a><${theme} menu/><${me} menu/></div>
    <p class="row dim sm more-btn"><${connection} host=${status.data?.host ?? ''}/></p>`;
}

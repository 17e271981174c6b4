// The configuration that runs, and on a phone the views that have no tab.
import { html, useMemo } from '../lib.js';
import { useApi } from '../api.js';
import { Copy, Empty, Head, Icon, Problem, Skeleton, absolute } from '../ui.js';

/** A line of TOML: tables and comments stand out, nothing else does. */
const kindOf = line => (/^\s*\[/.test(line) ? 'h' : /^\s*#/.test(line) ? 'c' : '');

export function Configuration({ status }) {
  const { data, error, reload } = useApi('/configuration');
  const lines = useMemo(() => data?.text?.replace(/\n$/, '').split('\n') ?? [], [data]);
  return html`<${Head} icon="settings-2" heading="Configuration">${data?.file ? html`<span class="mono wrap">${data.file}</span> as it runs since ${status.data ? absolute(status.data.started_at) : 'the start'}. Secrets are left out.` : ''}</${Head}>
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data ? html`<${Skeleton} height=${320}/>` : data.text ? html`<div class="card"><pre tabindex="0" role="region" aria-label="The configuration"><code class="code">${lines.map((line, at) => html`<span key=${at} class=${kindOf(line)}>${line || ' '}</span>`)}</code></pre></div>`
      : html`<div class="card"><${Empty} icon="file-text" title="There is no file">The daemon was started without one.</${Empty}></div>`}`;
}

export function More({ theme, me, connection, status }) {
  return html`<${Head} icon="ellipsis" heading="More">Leasehold ${status.data?.version ?? ''} on ${status.data?.host ?? 'this machine'}</${Head}>
    <div class="card menu"><a href="/hosts"><${Icon} name="monitor-smartphone"/>Hosts</a><a href="/dns-work"><${Icon} name="refresh-cw"/>DNS work${status.data?.names.refused > 0 && html`<span class="count">${status.data.names.refused}<span class="vh"> refused</span></span>`}</a><a href="/queries"><${Icon} name="activity"/>Queries</a><a href="/events"><${Icon} name="history"/>Events</a><a href="/configuration"><${Icon} name="settings-2"/>Configuration</a><${theme} menu/><${me} menu/></div>
    <p class="row dim sm more-btn"><${connection} host=${status.data?.host ?? ''}/></p>`;
}

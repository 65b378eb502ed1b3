import { html } from './html.ts';
import type { PageView } from './view.ts';

export function renderPage({ version }: PageView, assetUrl: (name: string) => string): string {
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>weighbridge</title>
<link rel="icon" href="${assetUrl('icon.svg')}"><link rel="stylesheet" href="${assetUrl('page.css')}"><script type="module" src="${assetUrl('page.js')}"></script></head>
<body><main>weighbridge ${version}</main></body></html>`.markup;
}

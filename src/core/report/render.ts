/** A report in any of its written forms. */
import type { Report } from '../study/results.ts';
import { reportCsv } from './csv.ts';
import { reportHtml } from './html.ts';
import { reportMarkdown } from './markdown.ts';
import type { ReportLinks } from './parts.ts';
import { reportText } from './text.ts';

/** Also the endings of the files. */
export const reportFormats = ['html', 'md', 'csv', 'json', 'txt'] as const;
export type ReportFormat = (typeof reportFormats)[number];

export const reportMediaTypes: Readonly<Record<ReportFormat, string>> = {
  html: 'text/html',
  md: 'text/markdown',
  csv: 'text/csv',
  json: 'application/json',
  txt: 'text/plain',
};

export function renderReport(report: Report, format: ReportFormat, links: ReportLinks = {}): string {
  switch (format) {
    case 'html':
      return reportHtml(report, links);
    case 'md':
      return reportMarkdown(report, links);
    case 'csv':
      return reportCsv(report);
    case 'json':
      return `${JSON.stringify(report, null, 2)}\n`;
    case 'txt':
      return `${reportText(report)}\n`;
  }
}

/** @returns undefined for an ending that is none of them */
export function reportFormatOf(fileName: string): ReportFormat | undefined {
  return reportFormats.find((format) => fileName.toLowerCase().endsWith(`.${format}`));
}

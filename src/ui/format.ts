/** Numbers as the page shows them: the same as in reports. */
export * from '../core/report/format.ts';

/**
 * Import this before anything that makes a schema: zod decides then whether a parser may be compiled with Function(),
 * which a strict content security policy forbids and reports.
 */
import { z } from 'zod';

z.config({ jitless: true });

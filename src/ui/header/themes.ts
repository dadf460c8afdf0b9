import { Monitor, Moon, Sun } from 'lucide-react';
import type { ThemeChoice } from '../../state/ui-slice.ts';

export const THEMES: readonly { value: ThemeChoice; label: string; Icon: typeof Sun }[] = [
  { value: 'system', label: 'As the system', Icon: Monitor },
  { value: 'light', label: 'Light', Icon: Sun },
  { value: 'dark', label: 'Dark', Icon: Moon },
];

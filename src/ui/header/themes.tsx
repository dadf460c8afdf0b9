import { Monitor, Moon, Sun } from 'lucide-react';
import { studio } from '../../state/store.ts';
import type { ThemeChoice } from '../../state/ui-slice.ts';
import type { Action } from '../components/ActionMenu.tsx';

export const THEMES: readonly { value: ThemeChoice; label: string; Icon: typeof Sun }[] = [
  { value: 'system', label: 'As the system', Icon: Monitor },
  { value: 'light', label: 'Light', Icon: Sun },
  { value: 'dark', label: 'Dark', Icon: Moon },
];

export function themeActions(chosen: ThemeChoice): Action[] {
  return THEMES.map(({ value, label, Icon }) => ({
    key: value,
    label: value === chosen ? `${label} (chosen)` : label,
    icon: <Icon size={15} />,
    run: () => studio.getState().setTheme(value),
  }));
}

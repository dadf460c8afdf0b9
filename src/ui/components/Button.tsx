import { Button as BaseButton } from '@base-ui/react/button';
import type { ComponentProps } from 'react';
import styles from './controls.module.css';

export interface ButtonProps extends ComponentProps<'button'> {
  readonly look?: 'plain' | 'primary' | 'quiet';
  /** Only an icon inside: needs an aria-label. */
  readonly icon?: boolean;
  /** Disabled, but still reached by Tab and pointer, so that its tooltip can say why. */
  readonly focusableWhenDisabled?: boolean;
}

export function buttonClass(look: ButtonProps['look'] = 'plain', icon = false, extra = ''): string {
  return [
    styles.button,
    look === 'primary' && styles.primary,
    look === 'quiet' && styles.quiet,
    icon && styles.icon,
    extra,
  ]
    .filter(Boolean)
    .join(' ');
}

export function Button({ look = 'plain', icon = false, className = '', ...rest }: ButtonProps) {
  return <BaseButton {...rest} className={buttonClass(look, icon, className)} />;
}

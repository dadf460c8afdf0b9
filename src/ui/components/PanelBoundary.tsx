import type { ReactNode } from 'react';
import { ErrorBoundary } from 'react-error-boundary';
import { Button } from './Button.tsx';
import { Note } from './Note.tsx';

/** A fault in one panel stays in that panel. */
export function PanelBoundary({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <ErrorBoundary
      fallbackRender={({ error, resetErrorBoundary }) => (
        <Note
          level="error"
          advice="The rest of the page works. Your model, recipes and results are kept."
          action={<Button onClick={resetErrorBoundary}>Draw it again</Button>}
        >
          The {name} could not be drawn: {error instanceof Error ? error.message : String(error)}
        </Note>
      )}
    >
      {children}
    </ErrorBoundary>
  );
}

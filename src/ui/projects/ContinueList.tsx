import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import { ProjectRow } from './ProjectRow.tsx';
import styles from './projects.module.css';

const SHOWN = 4;

/** The start page's way back to what was being worked on. */
export default function ContinueList() {
  const projects = useStudio((state) => state.projects);
  return (
    <section className={styles.continue} aria-label="Continue">
      <div className={styles.head}>
        <h3>Continue</h3>
        <Button look="quiet" onClick={() => studio.getState().openPanel('projects')}>
          {projects.length > SHOWN ? `All ${projects.length} projects …` : 'Projects …'}
        </Button>
      </div>
      <ul className={styles.list}>
        {projects.slice(0, SHOWN).map((entry) => (
          <ProjectRow key={entry.id} entry={entry} />
        ))}
      </ul>
    </section>
  );
}

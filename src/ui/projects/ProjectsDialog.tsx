import { FolderInput } from 'lucide-react';
import { useEffect, useState } from 'react';
import { projectsInUse } from '../../services/project-lock.ts';
import { type ProjectSize, projectSizes } from '../../services/projects.ts';
import { flushProject, refreshProjects } from '../../state/actions/keep.ts';
import { cancelExport, chooseProject } from '../../state/actions/project-files.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { formatBytes } from '../format.ts';
import { ProjectRow } from './ProjectRow.tsx';
import styles from './projects.module.css';
import { StorageSection } from './StorageSection.tsx';

/** Everything that is stored here: what it is, what it takes, out and in. */
export default function ProjectsDialog() {
  const open = useStudio((state) => state.panel === 'projects');
  return (
    <Modal open={open} onClose={() => studio.getState().openPanel(null)} title="Projects">
      {open && <Contents />}
    </Modal>
  );
}

function Contents() {
  const projects = useStudio((state) => state.projects);
  const [sizes, setSizes] = useState<ReadonlyMap<string, ProjectSize>>(new Map());
  const [inUse, setInUse] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    void flushProject().then(refreshProjects);
  }, []);
  useEffect(() => {
    let isWanted = true;
    void Promise.all([projectSizes(projects), projectsInUse()]).then(([found, used]) => {
      if (!isWanted) return;
      setSizes(found);
      setInUse(used);
    });
    return () => {
      isWanted = false;
    };
  }, [projects]);
  return (
    <div className={styles.contents}>
      {projects.length === 0 ? (
        <p className={controls.hint}>
          Nothing is stored yet. Whatever model is opened becomes a project, and is kept in this browser with its
          variants and results.
        </p>
      ) : (
        <ul className={styles.list} aria-label="Stored projects">
          {projects.map((entry) => (
            <ProjectRow key={entry.id} entry={entry} size={sizes.get(entry.id)} elsewhere={inUse.has(entry.id)} />
          ))}
        </ul>
      )}
      <ExportLine />
      <div className={styles.buttons}>
        <Button onClick={() => void chooseProject()}>
          <FolderInput size={15} aria-hidden /> Import a zip …
        </Button>
      </div>
      <StorageSection count={projects.length} />
    </div>
  );
}

function ExportLine() {
  const exporting = useStudio((state) => state.exporting);
  if (!exporting) return null;
  const { progress } = exporting;
  return (
    <div className={styles.exporting} role="status">
      <span>
        Exporting
        {progress?.total ? ` ${formatBytes(progress.done)} of ${formatBytes(progress.total)}` : ' …'}
      </span>
      <Button onClick={cancelExport}>Cancel</Button>
    </div>
  );
}

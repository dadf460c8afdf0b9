export function ModelDialog() {
  return null;
}

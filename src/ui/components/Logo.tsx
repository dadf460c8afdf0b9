/** A block with shavings coming off: whittled. */
export function Logo({ size = 20 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <rect x="1" y="12" width="18" height="7" rx="1.5" fill="var(--accent)" />
      <rect x="1" y="7" width="11" height="4" rx="1" fill="var(--accent)" opacity="0.65" />
      <rect x="1" y="3" width="6" height="3" rx="1" fill="var(--accent)" opacity="0.4" />
      <path d="M12.5 8.5c3-.4 5.6-2 6-5.5-3.2.3-5.7 1.9-6 5.5Z" fill="var(--series-heap)" />
    </svg>
  );
}

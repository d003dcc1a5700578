"""Configuration files as an operator writes them."""

MINIMAL = """\
store:
  chain: acme
  store: fi-0042
  gateway: door-1
  key_file: /etc/presence/store.key
notice:
  id: fi-2026-03
  controller: Acme Oy
  dpo_contact: privacy@acme.example
  review_by: 2027-03-01
consent:
  directory: /var/lib/presence/consent
  list: acme/fi-0042
audiences:
  - name: offers-main
    campaigns: [ap2:1551]
"""
"""All that must stand in a file, and nothing else."""

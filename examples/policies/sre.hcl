# Watches the engine: states and metrics, and checks of stored credentials with the vendors. No configs, no credentials, no
# signatures. Prometheus needs only the second rule.
path "apisig/status/*" {
  capabilities = ["read", "list"]
}
path "apisig/metrics" {
  capabilities = ["read"]
}
path "apisig/check/*" {
  capabilities = ["update"]
}

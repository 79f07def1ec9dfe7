# Lets a client read the bearer token of Check Point's Infinity Portal, of the key in the config us. No policy can restrict what
# the token opens (SECURITY.md). Give clients keys that may do no more than they need.
path "apisig/creds/infinity/us" {
  capabilities = ["read"]
}

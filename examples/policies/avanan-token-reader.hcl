# Reads Avanan's JWT for the US region. A JWT by itself opens nothing: this allows no call to be signed.
path "apisig/creds/avanan/us" {
  capabilities = ["read"]
}

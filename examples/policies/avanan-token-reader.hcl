# Lets a client read Avanan's JWT for the US region. Avanan accepts the JWT only in signed calls, and this policy does not
# let the client sign any.
path "apisig/creds/avanan/us" {
  capabilities = ["read"]
}

# Lets a client read the headers of one config of a declared API whose scheme has no request, also those with a token that the
# engine logged in for. What the headers open depends on the API.
path "apisig/creds/custom/main" {
  capabilities = ["read"]
}

# Lets a client read the headers of one config of a declared API whose scheme has no request. What the headers open depends on the API.
path "apisig/creds/custom/main" {
  capabilities = ["read"]
}

# Lets a client read the bearer token of Check Point's Infinity Portal, of the key in the config us. The token alone opens
# everything that its key may do, for about 30 minutes: calls are not signed, so no policy can restrict them to some paths or
# methods. Give clients keys that may do no more than they need.
path "apisig/creds/infinity/us" {
  capabilities = ["read"]
}

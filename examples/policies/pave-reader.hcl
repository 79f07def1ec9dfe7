# Lets a client read headers for PAVE, of the account main. The headers open every endpoint of that account for five
# minutes: PAVE's signature covers neither the method nor the path nor the body, so no policy can restrict them further.
path "apisig/creds/pave/main" {
  capabilities = ["read"]
}

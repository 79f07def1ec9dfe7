# Reads headers for PAVE, of the account main. They open every endpoint of that account for five minutes: PAVE's
# signature covers neither method, path nor body, so no policy can narrow it.
path "apisig/creds/pave/main" {
  capabilities = ["read"]
}

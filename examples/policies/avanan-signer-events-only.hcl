# Signs calls of /v1.0/event/ and /v1.0/search/ for the US region, and nothing else.
#
# required_parameters is what makes allowed_parameters hold: a request without request_string would pass the latter. The
# engine refuses what would leave the prefix (.., //, encoded or not) and what would sign a second call. Method and body
# are not covered by a signature: who may sign the path of an event may send any method there.
path "apisig/sign/avanan/us" {
  capabilities        = ["read", "update"]
  required_parameters = ["request_string"]
  allowed_parameters = {
    "request_string" = ["/v1.0/event/*", "/v1.0/search/*"]
  }
}

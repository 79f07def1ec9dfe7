# Lets a client sign GET calls below /custom/v1/orders/ for one config of a declared API, and nothing else. The signature of that API
# covers method and path, so the client cannot use it for another call.
#
# Keep required_parameters: without it, a request that leaves out a parameter would pass allowed_parameters. The engine rejects request
# strings that would leave the prefix. body_sha256 is not allowed, so no body can be signed.
path "apisig/sign/custom/orders" {
  capabilities        = ["read", "update"]
  required_parameters = ["method", "request_string"]
  allowed_parameters = {
    "method"         = ["GET"]
    "request_string" = ["/custom/v1/orders/*"]
    "unauthorized"   = []
  }
}

// Command donothing is a secrets engine that does nothing, built with the SDK's defaults: the benchmark compares
// against it. It answers reads of the path nothing, and reads of the path leased with a lease.
package main

import (
	"context"
	"os"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
)

func main() {
	if plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: factory}) != nil {
		os.Exit(1)
	}
}

func factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	leased := &framework.Secret{
		Type: "leased",
		Revoke: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
			return nil, nil
		},
	}
	b := &framework.Backend{BackendType: logical.TypeLogical, Secrets: []*framework.Secret{leased}}
	b.Paths = []*framework.Path{
		answering("nothing", func() *logical.Response {
			return &logical.Response{Data: map[string]any{"value": "nothing"}}
		}),
		answering("leased", func() *logical.Response {
			resp := b.Secret("leased").Response(map[string]any{"value": "nothing"}, nil)
			resp.Secret.TTL = time.Hour
			return resp
		}),
	}
	return b, b.Setup(ctx, conf)
}

func answering(pattern string, answer func() *logical.Response) *framework.Path {
	return &framework.Path{
		Pattern: pattern,
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
					return answer(), nil
				},
			},
		},
	}
}

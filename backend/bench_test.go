package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/apis"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// BenchmarkRead measures a warm read within the plugin and the encoding of its answer as JSON, without Vault and the
// plugin protocol.
func BenchmarkRead(b *testing.B) {
	batch := make([]any, 100)
	for i := range batch {
		batch[i] = fmt.Sprintf("/v1.0/event/%d", i)
	}
	vendor := httptest.NewServer(sandbox.New(sandbox.Default(), time.Now, io.Discard))
	defer vendor.Close()
	engine := newBackend(apis.All(), time.Now, newUUID)
	storage := &logical.InmemStorage{}
	request := func(operation logical.Operation, path string, data map[string]any) *logical.Request {
		return &logical.Request{Operation: operation, Path: path, Data: data, Storage: storage, MountPoint: "apisig/"}
	}
	ctx := context.Background()
	if err := engine.Setup(ctx, logical.TestBackendConfig()); err != nil {
		b.Fatal(err)
	}
	defer engine.Cleanup(ctx)
	scheme, err := os.ReadFile("../examples/schemes/sandbox.yml")
	if err != nil {
		b.Fatal(err)
	}
	for path, data := range map[string]map[string]any{
		"config/custom/orders": {"scheme": string(scheme), "secret": "the key of a call", "base_url": vendor.URL},
		"config/pave/main":     {"username": "acme", "api_key": "key", "api_secret": "secret"},
		"config/avanan/us":     {"app_id": "US:sandbox", "secret_key": "sandbox-avanan-secret", "base_url": vendor.URL},
	} {
		resp, err := engine.HandleRequest(ctx, request(logical.UpdateOperation, path, data))
		if err != nil || resp.IsError() {
			b.Fatal(resp, err)
		}
	}
	for _, read := range []*logical.Request{
		request(logical.ReadOperation, "creds/pave/main", nil),
		request(logical.ReadOperation, "creds/avanan/us", nil),
		request(logical.ReadOperation, "sign/avanan/us", map[string]any{"request_string": "/v1.0/event/1"}),
		request(logical.ReadOperation, "sign/custom/orders", map[string]any{
			"method": "GET", "request_string": "/custom/v1/orders",
		}),
		request(logical.UpdateOperation, "sign/avanan/us/batch", map[string]any{"request_strings": batch}),
	} {
		b.Run(read.Path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := engine.HandleRequest(ctx, read)
				if err != nil || resp.IsError() {
					b.Fatal(resp, err)
				}
				if _, err := json.Marshal(resp.Data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScrape is a scrape of 10,000 configs, all of which were read.
func BenchmarkScrape(b *testing.B) {
	engine := newBackend(apis.All(), time.Now, newUUID)
	storage := &logical.InmemStorage{}
	ctx := context.Background()
	if err := engine.Setup(ctx, logical.TestBackendConfig()); err != nil {
		b.Fatal(err)
	}
	defer engine.Cleanup(ctx)
	do := func(operation logical.Operation, path string, data map[string]any) {
		req := &logical.Request{Operation: operation, Path: path, Data: data, Storage: storage}
		resp, err := engine.HandleRequest(ctx, req)
		if err != nil || resp.IsError() {
			b.Fatal(resp, err)
		}
	}
	config := map[string]any{"username": "acme", "api_key": "key", "api_secret": "secret"}
	for i := range 10_000 {
		name := fmt.Sprintf("pave/c%d", i)
		do(logical.UpdateOperation, "config/"+name, config)
		do(logical.ReadOperation, "creds/"+name, nil)
	}
	for b.Loop() {
		do(logical.ReadOperation, "metrics", nil)
	}
}

package backend

import (
	"context"
	"errors"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

const metricsPath = "metrics"

// pathMetrics is metrics, of the whole mount.
func (b *backend) pathMetrics() *framework.Path {
	summary := "Read metrics of the mount, in Prometheus' text format."
	return &framework.Path{
		Pattern:      metricsPath + "$",
		DisplayAttrs: display("read", "metrics"),
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback: b.metricsRead, Summary: summary,
				Responses: map[int][]framework.Response{http.StatusOK: {{
					Description: "The metrics.", MediaType: metricsType,
				}}},
			},
		},
		HelpSynopsis:    summary,
		HelpDescription: metricsHelp,
	}
}

func (b *backend) metricsRead(
	ctx context.Context, req *logical.Request, _ *framework.FieldData,
) (*logical.Response, error) {
	unread := surveyedAtOnce
	for _, s := range b.stores {
		if err := s.survey(ctx, req.Storage, &unread); err != nil {
			return nil, err
		}
	}
	text, err := b.metrics.text()
	if err != nil {
		return nil, err
	}
	return &logical.Response{Data: map[string]any{
		logical.HTTPContentType: metricsType,
		logical.HTTPRawBody:     text,
		logical.HTTPStatusCode:  http.StatusOK,
	}}, nil
}

// surveyedAtOnce is how many configs one scrape reads from storage at most; later scrapes read the rest.
const surveyedAtOnce = 1000

// survey finds out what configs that are not in memory say of their secrets, so that metrics cover every config after a
// restart too. It reads no more than unread entries from storage, and counts them down.
func (s *store) survey(ctx context.Context, storage logical.Storage, unread *int) error {
	names, err := storage.List(ctx, s.prefix())
	if err != nil {
		return err
	}
	for _, name := range s.entries.unknown(names) {
		if *unread == 0 {
			return nil
		}
		*unread--
		seen := s.entries.seen()
		dates, has, err := s.secretDates(ctx, storage, name)
		switch {
		case errors.Is(err, api.ErrDamaged):
			s.entries.survey(name, seen, api.SecretDates{}) // status says why
		case err == nil && has:
			s.entries.survey(name, seen, dates)
		}
	}
	return nil
}

const metricsHelp = `
Returns counters and gauges of the mount's configs. They contain no secret, token or text of a vendor. Let Prometheus
scrape /v1/<mount>/metrics with a token whose policy allows to read it:

    curl -H "X-Vault-Token: $VAULT_TOKEN" "$VAULT_ADDR/v1/apisig/metrics"

Counters are per node and process. Where standbys serve reads, scrape each node.
`

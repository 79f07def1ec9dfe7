package prometheus

import (
	"maps"
	"slices"
	"strings"
)

// metric is what the engine promises of a metric: its type, and its labels with the values that each can have. A label
// without values can have any.
type metric struct {
	kind   string
	labels map[string][]string
}

var (
	ofConfig = map[string][]string{"vendor": nil, "config": nil}
	ofReads  = map[string][]string{
		"vendor": nil,
		"config": nil,
		"path":   {"creds", "sign", "batch"},
		"result": {"ok", "stale", "refused", "error"},
	}
	exchanged = map[string][]string{
		"vendor": nil,
		"config": nil,
		"result": {"ok", "refused", "limited", "unavailable", "nonsense"},
	}
)

// metrics are all that the engine exposes.
var metrics = map[string]metric{
	"apisig_build_info":                       {"gauge", map[string][]string{"version": nil}},
	"apisig_reads_total":                      {"counter", ofReads},
	"apisig_signatures_total":                 {"counter", ofConfig},
	"apisig_exchanges_total":                  {"counter", exchanged},
	"apisig_exchange_seconds":                 {"histogram", map[string][]string{"vendor": nil}},
	"apisig_token_expiry_timestamp_seconds":   {"gauge", ofConfig},
	"apisig_last_success_timestamp_seconds":   {"gauge", ofConfig},
	"apisig_last_failure_timestamp_seconds":   {"gauge", ofConfig},
	"apisig_held_off_until_timestamp_seconds": {"gauge", ofConfig},
	"apisig_clock_offset_seconds":             {"gauge", ofConfig},
	"apisig_secret_written_timestamp_seconds": {"gauge", ofConfig},
	"apisig_secret_expires_timestamp_seconds": {"gauge", ofConfig},
}

// labelsOf are the labels of a series with a given name. A histogram has several series, with names of their own.
func labelsOf(name string) (labels map[string][]string, known bool) {
	if m, known := metrics[name]; known {
		return m.labels, m.kind != "histogram"
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		m, known := metrics[strings.TrimSuffix(name, suffix)]
		if !known || m.kind != "histogram" {
			continue
		}
		labels = maps.Clone(m.labels)
		if suffix == "_bucket" {
			labels["le"] = nil
		}
		return labels, true
	}
	return nil, false
}

// allows reports whether a label can have a value.
func allows(labels map[string][]string, label, value string) bool {
	values, known := labels[label]
	return known && (values == nil || slices.Contains(values, value))
}

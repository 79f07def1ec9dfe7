package avanan

import (
	"maps"
	"slices"
)

// hosts has the API's host for each region. A key belongs to one region (Avanan's Smart API pages, "Base URLs"). Avanan
// does not support the region UAE; a config reaches it only by base URL.
var hosts = map[string]string{
	"us": "smart-api-production-1-us.avanan.net",
	"eu": "smart-api-production-1-eu.avanan.net",
	"au": "smart-api-production-5-ap.avanan.net",
	"ca": "smart-api-production-1-ca.avanan.net",
	"uk": "smart-api-production-1-euw2.avanan.net",
	"in": "smart-api-production-1-aps1.avanan.net",
}

// Regions lists the regions' names in alphabetical order.
func Regions() []string { return slices.Sorted(maps.Keys(hosts)) }

// RegionURL returns the base URL of a region's API, or "" if there is no such region.
func RegionURL(region string) string {
	host, known := hosts[region]
	if !known {
		return ""
	}
	return "https://" + host
}

// Package units holds the shipped user units: the audit by timer and by
// change, the sender of alerts, and the daily report. See README.md for how to install them.
package units

import "embed"

// FS holds the units, by name.
//
//go:embed *.service *.timer *.path
var FS embed.FS

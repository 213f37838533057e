//go:build unix && !linux

package shipper

func birthTime(int) int64 { return 0 }

func dataStart(int) int64 { return 0 }

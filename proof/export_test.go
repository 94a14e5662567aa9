package proof

import "time"

// Record is record, with its reason.
func (r *ReplayCache) Record(c *Claims, now time.Time) Reason {
	if err := r.record(c, now); err != nil {
		return err.Reason
	}
	return ""
}

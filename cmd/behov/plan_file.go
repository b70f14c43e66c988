package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/behov/behov/internal/plan"
)

// savePlan writes a plan in one piece, readable for its owner only.
func savePlan(name string, p *plan.Plan) error {
	if _, err := os.Stat(name); err == nil {
		if _, err := loadPlan(name); err != nil {
			return fmt.Errorf("%s is there and is no saved plan: name another file", name)
		}
	}
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	removeAbandoned(filepath.Dir(name), ".plan-")
	f, err := os.CreateTemp(filepath.Dir(name), ".plan-*")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("save the plan: %w", err), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

func loadPlan(name string) (*plan.Plan, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var p plan.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%s is no saved plan (behov plan -o FILE makes one): %w", name, err)
	}
	if err := p.Verify(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &p, nil
}

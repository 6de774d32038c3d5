"""Movement from neural features: the Kalman filter, its discriminative kin, and what they need."""

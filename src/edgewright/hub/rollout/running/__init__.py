"""Running rollouts: who may begin, what devices are told, what they answer, and what becomes of a wave."""

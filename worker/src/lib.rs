//! The jobs, one file each, and the agents that run for as long as the process; never knows poem.

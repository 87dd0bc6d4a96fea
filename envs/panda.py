"""The control step of a Panda under operational-space control, as robosuite takes it, less what it computes for nobody.

Between two actions robosuite looks up the same names, limits and poses 25 times and computes each Jacobian three times.
Here goal, gripper and observations are robosuite's own, once an action, and what moves with the physics is computed once
for each of its steps: the same arithmetic in the same order, so the same bits.
"""

from typing import Any

import mujoco
import numpy as np


class PandaStep:
    """robosuite's `step` for one episode of an environment that `supports` accepts; rewards are left to the caller."""

    def __init__(self, env: Any) -> None:
        from robosuite.utils import control_utils

        self.math = control_utils
        self.env = env
        self.controller = env.robots[0].composite_controller
        self.arm, self.gripper = (self.controller.part_controllers[part] for part in ("right", "right_gripper"))
        self.model, self.data = env.sim.model._model, env.sim.data._data
        self.substeps = int(env.control_timestep / env.model_timestep)
        self.observables = [observable for observable in env._observables.values() if observable.is_enabled()]

        # Views of the simulator's memory: what moves with the physics.
        motors = env.robots[0]._ref_actuators_indexes_dict
        self.dofs = _slice(self.arm.qvel_index)
        self.arm_ctrl, self.gripper_ctrl = (self.data.ctrl[_slice(motors[part])] for part in ("right", "right_gripper"))
        self.arm_range, self.gripper_range = (
            self.model.actuator_ctrlrange[_slice(motors[part])].T.copy() for part in ("right", "right_gripper")
        )
        self.site = env.sim.model.site_name2id(self.arm.ref_name)
        self.pos, self.rotation = self.data.site_xpos[self.site], self.data.site_xmat[self.site].reshape(3, 3)
        self.qvel, self.qM, self.bias = self.data.qvel, self.data.qM, self.data.qfrc_bias[self.dofs]
        self.joint_pos, self.joint_vel = self.data.qpos[_slice(self.arm.qpos_index)], self.data.qvel[self.dofs]

        arm, nv = self.arm, self.model.nv
        self.jacobian, self.inertia = np.zeros((6, nv)), np.zeros((nv, nv))
        self.jacp, self.jacr = self.jacobian[:3], self.jacobian[3:]
        self.velocity = np.concatenate([arm.ref_pos_vel, arm.ref_ori_vel])
        arm.ref_pos_vel, arm.ref_ori_vel = self.velocity[:3], self.velocity[3:]
        arm.J_pos, arm.J_ori = arm.J_full[:3], arm.J_full[3:]
        self.error, self.wrench = np.zeros(6), np.zeros(6)
        self.pos_error, self.ori_error = self.error[:3], self.error[3:]
        self.force, self.torque = self.wrench[:3], self.wrench[3:]

    def __call__(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """robosuite's observation, by name, after an action [7]."""
        env, model, data, arm = self.env, self.model, self.data, self.arm
        low, high = self.arm_range
        first = self.observables[0]
        clock, sampled, period = first._time_since_last_sample, first._sampled, first._sampling_timestep
        env.timestep += 1
        for substep in range(self.substeps):
            mujoco.mj_step1(model, data)
            if arm.new_update:  # not after a reset, from which the controller knows the arm
                self._see_arm()
            if substep == 0:
                self._set_goal(action)
            np.minimum(np.maximum(self._torques(), low), high, out=self.arm_ctrl)
            arm.new_update = True
            mujoco.mj_step2(model, data)
            if sampled and clock + env.model_timestep < period:
                clock += env.model_timestep
            else:
                self._set_clocks(clock)
                env._update_observables()
                clock, sampled = first._time_since_last_sample, first._sampled
        self._set_clocks(clock)
        env.cur_time += env.control_timestep
        return env._get_observations()

    def _set_clocks(self, clock: float) -> None:
        for observable in self.observables:
            observable._time_since_last_sample = clock

    def _see_arm(self) -> None:
        arm = self.arm
        mujoco.mj_jacSite(self.model, self.data, self.jacp, self.jacr, self.site)
        mujoco.mj_fullM(self.model, self.inertia, self.qM)
        arm.ref_pos[:], arm.ref_ori_mat[:] = self.pos, self.rotation
        np.dot(self.jacp, self.qvel, out=arm.ref_pos_vel)
        np.dot(self.jacr, self.qvel, out=arm.ref_ori_vel)
        arm.J_full[:] = self.jacobian[:, self.dofs]
        arm.joint_pos, arm.joint_vel = self.joint_pos, self.joint_vel
        arm.mass_matrix = self.inertia[self.dofs, self.dofs].copy("F")
        arm.new_update = False

    def _set_goal(self, action: np.ndarray) -> None:
        arm = self.arm
        self.controller.update_state()
        self.controller.set_goal(action)
        low, high = self.gripper_range
        np.minimum(np.maximum(self.gripper.run_controller(), low), high, out=self.gripper_ctrl)
        self.goal_pos = arm.origin_pos + np.dot(arm.origin_ori, arm.goal_pos)
        self.goal_ori = np.dot(arm.origin_ori, arm.goal_ori)

    def _torques(self) -> np.ndarray:
        arm = self.arm
        np.subtract(self.goal_pos, arm.ref_pos, out=self.pos_error)
        self.ori_error[:] = self.math.orientation_error(self.goal_ori, arm.ref_ori_mat)
        pull = self.error * arm.kp - self.velocity * arm.kd
        _, inertia_pos, inertia_ori, nullspace = self.math.opspace_matrices(arm.mass_matrix, arm.J_full, arm.J_pos, arm.J_ori)
        np.dot(inertia_pos, pull[:3], out=self.force)
        np.dot(inertia_ori, pull[3:], out=self.torque)
        posture = self.math.nullspace_torques(arm.mass_matrix, nullspace, arm.initial_joint, arm.joint_pos, arm.joint_vel)
        return np.dot(arm.J_full.T, self.wrench) + self.bias + posture


def _slice(indices: list[int]) -> slice:
    return slice(indices[0], indices[-1] + 1)

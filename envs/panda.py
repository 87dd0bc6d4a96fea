"""The control step of a Panda under operational-space control, as robosuite takes it, less what it computes for nobody.

Between two actions robosuite looks up the same names, limits and poses 25 times and computes each Jacobian three times.
Here what an action sets is computed once an action, what moves with the physics once for each of its steps, and robosuite
samples its observables when their time has come: the same arithmetic in the same order, so the same bits.
"""

from typing import Any

import mujoco
import numpy as np

ARM: dict[str, Any] = {
    "impedance_mode": "fixed",
    "input_type": "delta",
    "input_ref_frame": "base",
    "_goal_update_mode": "achieved",
    "use_ori": True,
    "uncoupling": True,
    "lite_physics": True,
    "interpolator_pos": None,
    "interpolator_ori": None,
    "position_limits": None,
    "orientation_limits": None,
}
GRIPPER: dict[str, Any] = {"use_action_scaling": True, "interpolator": None}


def supports(env: Any) -> bool:
    """Whether `PandaStep` is robosuite's step in `env`: one Panda on a base that stands still, moved by deltas of OSC_POSE.

    Nothing may be drawn, and the observables must share one clock, without delays.
    """
    from robosuite.controllers.composite.composite_controller import CompositeController
    from robosuite.controllers.parts.arm.osc import OperationalSpaceController
    from robosuite.controllers.parts.gripper.simple_grip import SimpleGripController
    from robosuite.models.grippers import PandaGripper
    from robosuite.models.robots import Panda
    from robosuite.utils.observables import NO_DELAY

    robot = env.robots[0]
    controller = robot.composite_controller
    kinds = {part: type(value) for part, value in controller.part_controllers.items()}
    if (
        len(env.robots) > 1
        or type(controller) is not CompositeController
        or kinds != {"right": OperationalSpaceController, "right_gripper": SimpleGripController}
        or (type(robot.robot_model), type(robot.gripper["right"])) != (Panda, PandaGripper)
        or not all(robot.enabled(part) for part in kinds)
    ):
        return False
    arm, gripper = controller.part_controllers.values()
    model, base = env.sim.model._model, env.sim.model.site_name2id(f"{robot.robot_model.naming_prefix}right_center")
    limits = gripper.input_min, gripper.input_max, gripper.output_min, gripper.output_max
    enabled = [observable for observable in env._observables.values() if observable.is_enabled()]
    clocks = {(each._time_since_last_sample, each._sampled, each._sampling_timestep, each._current_delay) for each in enabled}
    return (
        all(np.array_equal(getattr(arm, key), need) for key, need in ARM.items())
        and all(np.array_equal(getattr(gripper, key), need) for key, need in GRIPPER.items())
        and np.array_equal(limits, [[-1, -1], [1, 1], [-1, -1], [1, 1]])
        and model.body_weldid[model.site_bodyid[base]] == 0
        and env.lite_physics
        and env.ignore_done
        and env.viewer is None
        and len(clocks) == 1
        and all(each._delayer is NO_DELAY for each in enabled)
    )


class PandaStep:
    """robosuite's `step` in an environment that `supports` accepts, until its next reset; rewards are the caller's."""

    def __init__(self, env: Any) -> None:
        from robosuite.utils import control_utils, transform_utils

        self.control, self.transform = control_utils, transform_utils
        robot = env.robots[0]
        self.env, self.parts = env, robot.composite_controller
        self.arm, self.gripper = self.parts.part_controllers["right"], self.parts.part_controllers["right_gripper"]
        self.model, self.data = env.sim.model._model, env.sim.data._data
        self.substeps = int(env.control_timestep / env.model_timestep)
        self.observables = [observable for observable in env._observables.values() if observable.is_enabled()]

        # Views of what moves with the physics, in the simulator's memory.
        data, arm = self.data, self.arm
        self.dofs = _slice(arm.qvel_index)
        self.qvel, self.inertia, self.bias = data.qvel, data.qM, data.qfrc_bias[self.dofs]
        self.joint_pos, self.joint_vel = data.qpos[_slice(arm.qpos_index)], data.qvel[self.dofs]
        self.site = env.sim.model.site_name2id(arm.ref_name)
        self.pos, self.rotation = data.site_xpos[self.site], data.site_xmat[self.site].reshape(3, 3)
        self.arm_motors, self.gripper_motors = (
            _slice(robot._ref_actuators_indexes_dict[part]) for part in ("right", "right_gripper")
        )

        # The controller's own arrays, joined: position above rotation.
        self.velocity = np.concatenate([arm.ref_pos_vel, arm.ref_ori_vel])
        arm.ref_pos_vel, arm.ref_ori_vel = self.velocity[:3], self.velocity[3:]
        arm.J_pos, arm.J_ori = arm.J_full[:3], arm.J_full[3:]
        self.jacobian, self.mass_matrix = np.zeros((6, self.model.nv)), np.zeros((self.model.nv, self.model.nv))
        self.error, self.wrench = np.zeros(6), np.zeros(6)

    def __call__(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """robosuite's observation, by name, after an action [7]."""
        if action.shape != (7,):
            raise ValueError(f"action has shape {list(action.shape)}, needed is [7]")
        env, model, data, arm = self.env, self.model, self.data, self.arm
        low, high = model.actuator_ctrlrange[self.arm_motors].T.copy()
        ctrl = data.ctrl[self.arm_motors]
        first = self.observables[0]
        clock, sampled, period = first._time_since_last_sample, first._sampled, first._sampling_timestep
        env.timestep += 1
        for substep in range(self.substeps):
            mujoco.mj_step1(model, data)
            if arm.new_update:  # not right after a reset, in which the controller has seen the arm
                self._see()
            if substep == 0:
                self._set_goal(action[:6])
                self._set_gripper(action[6:])
            np.minimum(np.maximum(self._torques(), low), high, out=ctrl)
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

    def _see(self) -> None:
        arm = self.arm
        jacp, jacr = self.jacobian[:3], self.jacobian[3:]
        mujoco.mj_jacSite(self.model, self.data, jacp, jacr, self.site)
        mujoco.mj_fullM(self.model, self.mass_matrix, self.inertia)
        arm.ref_pos, arm.ref_ori_mat = self.pos, self.rotation
        np.dot(jacp, self.qvel, out=arm.ref_pos_vel)
        np.dot(jacr, self.qvel, out=arm.ref_ori_vel)
        arm.J_full[:] = self.jacobian[:, self.dofs]
        arm.joint_pos, arm.joint_vel = self.joint_pos, self.joint_vel
        arm.mass_matrix = self.mass_matrix[self.dofs, self.dofs].copy("F")
        arm.new_update = False

    def _set_goal(self, action: np.ndarray) -> None:
        """The pose that lies the action's 5 cm and 0.5 rad, at most, from the present one."""
        self.parts.update_state()  # the pose of the arm's base
        arm, transform = self.arm, self.transform
        delta = arm.scale_action(action)
        base = transform.pose_inv(transform.make_pose(arm.origin_pos, arm.origin_ori))
        hand = base.dot(transform.make_pose(arm.ref_pos, arm.ref_ori_mat))
        arm.goal_pos = hand[:3, 3] + delta[:3]
        arm.goal_ori = np.dot(transform.quat2mat(transform.axisangle2quat(delta[3:])), hand[:3, :3])
        self.goal_pos = arm.origin_pos + np.dot(arm.origin_ori, arm.goal_pos)
        self.goal_rotation = np.dot(arm.origin_ori, arm.goal_ori)

    def _set_gripper(self, action: np.ndarray) -> None:
        low, high = self.model.actuator_ctrlrange[self.gripper_motors].T
        goal = self.parts.grippers["right_gripper"].format_action(action)
        ctrl = 0.5 * (high + low) + 0.5 * (high - low) * goal
        self.data.ctrl[self.gripper_motors] = np.minimum(np.maximum(ctrl, low), high)

    def _torques(self) -> np.ndarray:
        arm, error, wrench = self.arm, self.error, self.wrench
        np.subtract(self.goal_pos, arm.ref_pos, out=error[:3])
        error[3:] = self.control.orientation_error(self.goal_rotation, arm.ref_ori_mat)
        pull = error * arm.kp - self.velocity * arm.kd
        _, lambda_pos, lambda_ori, nullspace = self.control.opspace_matrices(arm.mass_matrix, arm.J_full, arm.J_pos, arm.J_ori)
        np.dot(lambda_pos, pull[:3], out=wrench[:3])
        np.dot(lambda_ori, pull[3:], out=wrench[3:])
        posture = self.control.nullspace_torques(arm.mass_matrix, nullspace, arm.initial_joint, arm.joint_pos, arm.joint_vel)
        return np.dot(arm.J_full.T, wrench) + self.bias + posture


def _slice(indices: list[int]) -> slice:
    return slice(indices[0], indices[-1] + 1)

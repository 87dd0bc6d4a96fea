"""The control step of a Panda under operational-space control, as robosuite takes it, less what it computes for nobody.

Between two actions robosuite looks up the same names, limits and poses 25 times and computes each Jacobian three times.
Here what an action sets is computed once an action, what moves with the physics once for each of its steps, and robosuite
samples its observables when their time has come: the same arithmetic in the same order, so the same bits. (numpy's and
numba's BLAS multiply the small matrices; should they ever round differently, that is 1e-16 of a torque.)
"""

from typing import Any

import mujoco
import numpy as np
from robosuite.controllers.composite.composite_controller import CompositeController
from robosuite.controllers.parts.arm.osc import OperationalSpaceController
from robosuite.controllers.parts.gripper.simple_grip import SimpleGripController
from robosuite.models.grippers import PandaGripper
from robosuite.models.robots import Panda
from robosuite.utils.control_utils import nullspace_torques, opspace_matrices, orientation_error
from robosuite.utils.numba import jit_decorator
from robosuite.utils.observables import NO_DELAY
from robosuite.utils.transform_utils import axisangle2quat, make_pose, pose_inv, quat2mat

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
        and arm.qpos_index == arm.qvel_index == list(range(7))
        and model.body_weldid[model.site_bodyid[base]] == 0
        and env.lite_physics
        and env.ignore_done
        and env.viewer is None
        and len(clocks) == 1
        and all(each._delayer is NO_DELAY for each in enabled)
    )


@jit_decorator
def osc_torques(  # type: ignore[no-untyped-def]
    goal_pos, goal_rotation, pos, rotation, jacobian, mass_matrix, joint_pos, joint_vel, qvel, bias, posture, kp, kd
):
    """Operational-space control (Khatib, 1987), position and rotation uncoupled: tau = J^T Lambda (kp e - kd v) + bias + null.

    Lambda = (J M^-1 J^T)^-1. `null` pulls the joints towards `posture` where that does not move the hand.
    """
    n = len(joint_pos)
    J, M = np.ascontiguousarray(jacobian[:, :n]), np.asfortranarray(mass_matrix[:n, :n])  # the arm's joints come first
    _, lambda_pos, lambda_ori, nullspace = opspace_matrices(M, J, J[:3], J[3:])
    force = (goal_pos - pos) * kp[:3] - np.dot(jacobian[:3], qvel) * kd[:3]
    torque = orientation_error(goal_rotation, rotation) * kp[3:] - np.dot(jacobian[3:], qvel) * kd[3:]
    wrench = np.concatenate((np.dot(lambda_pos, force), np.dot(lambda_ori, torque)))
    return np.dot(J.T, wrench) + bias + nullspace_torques(M, nullspace, posture, joint_pos, joint_vel)


class PandaStep:
    """robosuite's `step` in an environment that `supports` accepts, until its next reset; rewards are the caller's.

    It holds while robosuite's controller would look at the arm afresh (`arm.new_update`): from an episode's second step on.
    """

    def __init__(self, env: Any) -> None:
        robot = env.robots[0]
        self.env, self.controller = env, robot.composite_controller
        self.arm = self.controller.part_controllers["right"]
        self.model, self.data = env.sim.model._model, env.sim.data._data
        self.substeps = int(env.control_timestep / env.model_timestep)
        self.observables = [observable for observable in env._observables.values() if observable.is_enabled()]

        motors = (robot._ref_actuators_indexes_dict[part] for part in ("right", "right_gripper"))
        joints, fingers = (slice(indices[0], indices[-1] + 1) for indices in motors)
        self.ctrl, self.finger_ctrl = self.data.ctrl[joints], self.data.ctrl[fingers]
        self.range, self.finger_range = (self.model.actuator_ctrlrange[part].T.copy() for part in (joints, fingers))
        self.site = env.sim.model.site_name2id(self.arm.ref_name)
        self.pos, self.rotation = self.data.site_xpos[self.site], self.data.site_xmat[self.site].reshape(3, 3)
        self.jacobian, self.mass_matrix = np.zeros((6, self.model.nv)), np.zeros((self.model.nv, self.model.nv))

    def __call__(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """robosuite's observation, by name, after an action [7]."""
        if action.shape != (7,):
            raise ValueError(f"action has shape {list(action.shape)}, needed is [7]")
        env, model, data, arm = self.env, self.model, self.data, self.arm
        jacp, jacr, qM = self.jacobian[:3], self.jacobian[3:], data.qM
        joints = len(arm.joint_index)
        moving = data.qpos[:joints], data.qvel[:joints], data.qvel, data.qfrc_bias[:joints]
        low, high = self.range
        first = self.observables[0]
        clock, sampled, period = first._time_since_last_sample, first._sampled, first._sampling_timestep
        env.timestep += 1
        for substep in range(self.substeps):
            mujoco.mj_step1(model, data)
            if substep == 0:
                self._set_gripper(action[6:])
                goal = *self._goal(action[:6]), self.pos, self.rotation
            mujoco.mj_jacSite(model, data, jacp, jacr, self.site)
            mujoco.mj_fullM(model, self.mass_matrix, qM)
            torques = osc_torques(*goal, self.jacobian, self.mass_matrix, *moving, arm.initial_joint, arm.kp, arm.kd)
            np.minimum(np.maximum(torques, low), high, out=self.ctrl)
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

    def _goal(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pose that lies the action's 5 cm and 0.5 rad, at most, from the present one."""
        self.controller.update_state()  # the pose of the arm's base
        delta, base = self.arm.scale_action(action), make_pose(self.arm.origin_pos, self.arm.origin_ori)
        hand = pose_inv(base).dot(make_pose(self.pos, self.rotation))
        rotation = np.dot(quat2mat(axisangle2quat(delta[3:])), hand[:3, :3])
        return self.arm.origin_pos + np.dot(self.arm.origin_ori, hand[:3, 3] + delta[:3]), np.dot(self.arm.origin_ori, rotation)

    def _set_gripper(self, action: np.ndarray) -> None:
        low, high = self.finger_range
        ctrl = 0.5 * (high + low) + 0.5 * (high - low) * self.controller.grippers["right_gripper"].format_action(action)
        np.minimum(np.maximum(ctrl, low), high, out=self.finger_ctrl)

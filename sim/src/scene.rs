//! The embedded scene: compiles it and finds the elements that the program addresses by name.

use crate::error::SimError;
use mujoco_rs::prelude::*;
use mujoco_rs::wrappers::mj_auxiliary::MjVfs;
use std::sync::Arc;

const SCENE: &[u8] = include_bytes!("../assets/scene.xml");

macro_rules! meshes {
    ($($name:literal),*) => {
        [$((concat!("meshes/", $name), include_bytes!(concat!("../assets/meshes/", $name)).as_slice())),*]
    };
}

const MESHES: [(&str, &[u8]); 9] = meshes![
    "base.stl",
    "shoulder.stl",
    "arm.stl",
    "forearm.stl",
    "wrist.stl",
    "hand_3finger_main.stl",
    "hand_3finger_insert.stl",
    "finger_proximal.stl",
    "finger_distal.stl"
];

/// A free object of the scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    Cube,
    Plate,
    Carrot,
    Pan,
    Cup,
    Box,
}

impl Object {
    pub const ALL: [Object; 6] =
        [Object::Cube, Object::Plate, Object::Carrot, Object::Pan, Object::Cup, Object::Box];

    fn name(self) -> &'static str {
        match self {
            Object::Cube => "cube",
            Object::Plate => "plate",
            Object::Carrot => "carrot",
            Object::Pan => "pan",
            Object::Cup => "cup",
            Object::Box => "box",
        }
    }
}

/// What a body is to the contact tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRole {
    Palm,
    Finger(usize),
    Object(Object),
    Other,
}

/// Where a free object lives in MuJoCo's arrays.
#[derive(Clone, Copy, Debug)]
pub struct ObjectAddress {
    pub qpos: usize,
    pub dof: usize,
    pub body: usize,
    pub weight_n: f64,
}

/// The compiled scene with the addresses the program needs. The arm's joints and actuators are
/// 0..6 and the fingers' 6..9 in the order of the scene file.
#[derive(Debug)]
pub struct Scene {
    pub model: Arc<MjModel>,
    pub tool_site: usize,
    pub objects: [ObjectAddress; 6],
    pub region_mocap: usize,
    /// Role of the body that each geom belongs to.
    pub geom_roles: Vec<BodyRole>,
}

impl Scene {
    /// Compiles the embedded scene with physics steps of `timestep_s`.
    pub fn load(timestep_s: f64) -> Result<Scene, SimError> {
        let scene_error = |error: &dyn std::fmt::Display| SimError::Scene(error.to_string());
        let mut vfs = MjVfs::new();
        for (name, bytes) in MESHES.into_iter().chain([("scene.xml", SCENE)]) {
            vfs.add_from_buffer(name, bytes).map_err(|e| scene_error(&e))?;
        }
        let mut model = MjModel::from_xml_vfs("scene.xml", &vfs).map_err(|e| scene_error(&e))?;
        model.opt_mut().timestep = timestep_s;

        let find = |kind: &'static str, class: MjtObjBase, name: &str| {
            model
                .name_to_id(class, name)
                .ok_or_else(|| SimError::Missing { kind, name: name.to_owned() })
        };
        let gravity = -model.opt().gravity[2];
        let mut objects = Vec::with_capacity(Object::ALL.len());
        for object in Object::ALL {
            let joint = find("joint", MjtObjBase::mjOBJ_JOINT, object.name())?;
            let body = find("body", MjtObjBase::mjOBJ_BODY, object.name())?;
            objects.push(ObjectAddress {
                qpos: model.jnt_qposadr()[joint] as usize,
                dof: model.jnt_dofadr()[joint] as usize,
                body,
                weight_n: model.body_mass()[body] * gravity,
            });
        }
        let region = find("body", MjtObjBase::mjOBJ_BODY, "region")?;
        let tool_site = find("site", MjtObjBase::mjOBJ_SITE, "ee")?;

        let role = |body: usize| match model.id_to_name(MjtObjBase::mjOBJ_BODY, body) {
            Some("b_6") => BodyRole::Palm,
            Some("b_finger_1" | "b_tip_1") => BodyRole::Finger(0),
            Some("b_finger_2" | "b_tip_2") => BodyRole::Finger(1),
            Some("b_finger_3" | "b_tip_3") => BodyRole::Finger(2),
            Some(name) => Object::ALL
                .into_iter()
                .find(|object| object.name() == name)
                .map_or(BodyRole::Other, BodyRole::Object),
            None => BodyRole::Other,
        };
        let geom_roles = model.geom_bodyid().iter().map(|&body| role(body as usize)).collect();
        Ok(Scene {
            tool_site,
            objects: objects.try_into().expect("one address for each of the six objects"),
            region_mocap: model.body_mocapid()[region] as usize,
            geom_roles,
            model: Arc::new(model),
        })
    }

    /// Address of `object`.
    pub fn address(&self, object: Object) -> &ObjectAddress {
        &self.objects[object as usize]
    }
}

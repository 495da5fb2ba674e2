//! This file is where a purpose of use has its code, and where the narrow ones say which wide one they belong to.

use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Most purposes of one directive.
pub const PURPOSES_MAX: usize = 16;

/// The text is no purpose of use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a purpose of use; try TREAT, HPAYMT, HOPERAT, HRESCH, PUBHLTH or PATRQT")]
pub struct PurposeError(pub String);

macro_rules! purposes {
    ($($name:ident $code:literal in $parent:expr, $doc:literal;)*) => {
        /// A purpose of use: HL7 v3 PurposeOfUse, a part of the code system ActReason.
        ///
        /// Borsh writes the place in this list, so new ones go to its end.
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            BorshSerialize,
            BorshDeserialize,
            Arbitrary,
            Serialize,
            Deserialize,
            schemars::JsonSchema,
        )]
        pub enum Purpose {
            $(#[doc = $doc] #[serde(rename = $code)] $name,)*
        }

        impl Purpose {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// What it means, in a few words.
            #[must_use]
            pub fn display(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                }
            }

            /// The wider purpose that this one specialises.
            #[must_use]
            pub fn parent(self) -> Option<Self> {
                use Purpose::{
                    Coverage, EmergencyTreatment, Operations, PatientRequest, Payment, PublicHealth,
                    Research, SystemDevelopment, Treatment, TrialResearch,
                };
                match self {
                    $(Self::$name => $parent,)*
                }
            }
        }
    };
}

// HL7 Terminology, CodeSystem v3-ActReason, below PurposeOfUse.
purposes! {
    Treatment "TREAT" in None, "treatment";
    EmergencyTreatment "ETREAT" in Some(Treatment), "emergency treatment";
    BreakGlass "BTG" in Some(EmergencyTreatment), "break the glass";
    EmergencyRoom "ERTREAT" in Some(EmergencyTreatment), "emergency room treatment";
    TrialTreatment "CLINTRL" in Some(Treatment), "treatment within a clinical trial";
    Coordination "COC" in Some(Treatment), "coordination of care";
    PopulationHealth "POPHLTH" in Some(Treatment), "population health";
    Payment "HPAYMT" in None, "payment";
    ClaimAttachment "CLMATTCH" in Some(Payment), "claim attachment";
    CoverageAuthorization "COVAUTH" in Some(Payment), "coverage authorization";
    Coverage "COVERAGE" in Some(Payment), "coverage under a policy";
    EligibilityDetermination "ELIGDTRM" in Some(Coverage), "eligibility determination";
    EligibilityVerification "ELIGVER" in Some(Coverage), "eligibility verification";
    Enrollment "ENROLLM" in Some(Coverage), "enrollment in a coverage";
    RemittanceAdvice "REMITADV" in Some(Payment), "remittance advice";
    Operations "HOPERAT" in None, "operations";
    CareManagement "CAREMGT" in Some(Operations), "care management";
    Donation "DONAT" in Some(Operations), "organ or tissue donation";
    Fraud "FRAUD" in Some(Operations), "detection of fraud";
    Accreditation "HACCRED" in Some(Operations), "accreditation";
    Compliance "HCOMPL" in Some(Operations), "compliance";
    Directory "HDIRECT" in Some(Operations), "directory";
    DeliveryManagement "HDM" in Some(Operations), "management of care delivery";
    Legal "HLEGAL" in Some(Operations), "legal proceedings";
    Outcomes "HOUTCOMS" in Some(Operations), "outcome measures";
    QualityImprovement "HQUALIMP" in Some(Operations), "improvement of quality";
    SystemAdministration "HSYSADMIN" in Some(Operations), "administration of systems";
    PatientAdministration "PATADMIN" in Some(Operations), "administration of patients";
    PatientSafety "PATSFTY" in Some(Operations), "safety of patients";
    RecordManagement "RECORDMGT" in Some(Operations), "management of records";
    SystemDevelopment "SYSDEV" in Some(Operations), "development of systems";
    TestData "HTEST" in Some(SystemDevelopment), "test data";
    Training "TRAIN" in Some(Operations), "training";
    Research "HRESCH" in None, "research";
    Biomedical "BIORCH" in Some(Research), "biomedical research";
    TrialResearch "CLINTRCH" in Some(Research), "clinical trial research";
    TrialWithoutCare "CLINTRCHNPC" in Some(TrialResearch), "clinical trial research without care of patients";
    TrialWithCare "CLINTRCHPC" in Some(TrialResearch), "clinical trial research with care of patients";
    DiseaseResearch "DSRCH" in Some(Research), "research on a disease";
    AncestryResearch "POARCH" in Some(Research), "research on origin or ancestry";
    Translational "TRANSRCH" in Some(Research), "translational research";
    PublicHealth "PUBHLTH" in None, "public health";
    Disaster "DISASTER" in Some(PublicHealth), "disaster";
    Threat "THREAT" in Some(PublicHealth), "threat to the public";
    PatientRequest "PATRQT" in None, "asked for by the patient";
    FamilyRequest "FAMRQT" in Some(PatientRequest), "asked for by the family";
    PowerOfAttorney "PWATRNY" in Some(PatientRequest), "asked for by somebody with power of attorney";
    SupportNetwork "SUPNWK" in Some(PatientRequest), "asked for by the patient's support network";
    Marketing "HMARKT" in None, "marketing";
}

impl Purpose {
    /// This purpose and all that it specialises, from narrow to wide: at most four.
    pub fn ancestry(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |purpose| purpose.parent())
    }

    /// Whether a directive for this purpose speaks of a request for `asked`: the same or a narrower one.
    #[must_use]
    pub fn covers(self, asked: Self) -> bool {
        asked.ancestry().any(|purpose| purpose == self)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Purpose {
    type Err = PurposeError;
    fn from_str(text: &str) -> Result<Self, PurposeError> {
        let found = Self::ALL.iter().find(|purpose| purpose.code() == text);
        found.copied().ok_or_else(|| PurposeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, ancestry: &str) {
        let purpose: Purpose = code.parse().unwrap();
        let codes: Vec<_> = purpose.ancestry().map(Purpose::code).collect();
        assert_eq!(codes.join(" < "), ancestry);
    }

    #[test]
    fn narrow_purposes_belong_to_wide_ones() {
        check("TREAT", "TREAT");
        check("BTG", "BTG < ETREAT < TREAT");
        check("ELIGDTRM", "ELIGDTRM < COVERAGE < HPAYMT");
        check("HTEST", "HTEST < SYSDEV < HOPERAT");
        check("CLINTRCHPC", "CLINTRCHPC < CLINTRCH < HRESCH");
        check("PWATRNY", "PWATRNY < PATRQT");
        assert!(Purpose::Treatment.covers(Purpose::BreakGlass));
        assert!(!Purpose::BreakGlass.covers(Purpose::Treatment));
        assert!(!Purpose::Operations.covers(Purpose::Treatment));
        assert!("treat".parse::<Purpose>().is_err());
    }

    #[test]
    fn every_purpose_is_its_code_everywhere() {
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.code());
            assert_eq!(purpose.code().parse(), Ok(*purpose));
            assert!(purpose.ancestry().count() <= 4, "{purpose} lies in no circle");
        }
    }
}
